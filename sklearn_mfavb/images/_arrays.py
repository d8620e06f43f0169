"""Images in one array: their axes, and the source that reads them."""

import hashlib
import math
from collections.abc import Sequence
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, Reading, learn_rule, measure_range
from sklearn_mfavb.images._source import Batches, ImageSource, Target
from sklearn_mfavb.images._values import (
    Array,
    as_numbers,
    is_on_disk,
    iterate_chunks,
    release_pages,
    take,
)

# Grayscale, color, and color with transparency.
CHANNEL_COUNTS = (1, 3, 4)


class Layout(NamedTuple):
    """Shape of each image in an array, and the axis of the channels in a batch."""

    image_shape: tuple[int, ...]
    channel_axis: int | None

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        first = 1 if self.channel_axis == 1 else 0
        return self.image_shape[first], self.image_shape[first + 1]

    def view(self, batch: np.ndarray) -> np.ndarray:
        """View a batch as (batch_size, n_channels, height, width)."""
        images = batch.reshape(len(batch), *self.image_shape)
        axis = self.channel_axis
        return images[:, None] if axis is None else np.moveaxis(images, axis, 1)


class ArraySource(ImageSource):
    """Images, or rows of their pixels, in one array, which is never copied whole."""

    has_one_size = True

    def __init__(
        self, array: Array, reading: Reading, format: ImageFormat | None
    ) -> None:
        self.images = as_numbers(array)
        shape, dtype = tuple(self.images.shape), self.images.dtype
        if len(shape) not in (2, 3, 4):
            raise ValueError(
                f"X has {len(shape)} dimension(s), shape {shape}, but rows (n, "
                "n_features) or images (n, height, width), (n, height, width, "
                "n_channels) or (n, n_channels, height, width) are expected. Reshape "
                "your data: one row is X.reshape(1, -1)."
            )
        if 0 in shape:
            raise ValueError(describe_empty(shape))
        self._layout = find_layout(shape, reading, format)
        measure = cache(lambda: measure_range(iterate_chunks(self.images)))
        if format is None:
            rule = learn_rule(reading.pixel_range, dtype, measure)
            format = ImageFormat(*self._layout, *rule, reading.resize)
        self.format = format
        format.pixels.check(dtype, measure)
        is_bytes = format.pixels.keeps_bytes(dtype)
        self._dtype = torch.uint8 if is_bytes else torch.float32
        self.image_size = self._layout.image_size
        if not is_on_disk(self.images):
            self._size_at_hand = self.image_size
        super().__init__(len(self.images))
        self._was_read[:] = True

    @cached_property
    def fingerprint(self) -> str:
        """Hash of type, shape and content."""
        kind = f"{self.images.dtype} {tuple(self.images.shape)}"
        digest = hashlib.blake2b(kind.encode(), digest_size=16)
        for chunk in iterate_chunks(self.images):
            digest.update(np.ascontiguousarray(chunk).data)
        return digest.hexdigest()

    def _load(self, indices: np.ndarray, targets: set[Target]) -> Batches:
        """Load images and return the batch for each target."""
        batch = take(self.images, indices)
        release_pages(self.images)
        images = self.format.pixels.scale(self._layout.view(batch))
        return {(size, resize): resize(images, size) for size, resize in targets}

    def _take(self, indices: np.ndarray) -> None:
        """Keep some of the images only: a view, where they are consecutive."""
        is_run = (np.diff(indices) == 1).all()
        run = slice(indices[0], indices[-1] + 1)
        self.images = take(self.images, run if is_run else indices)


def describe_empty(shape: tuple[int, ...]) -> str:
    """Return, in scikit-learn's words, that there are no images or no pixels."""
    noun = "feature(s)" if shape[0] else "sample(s)"
    return (
        f"Found array with 0 {noun} (shape={shape}) while a minimum of 1 is required."
    )


def find_layout(
    shape: tuple[int, ...], reading: Reading, format: ImageFormat | None
) -> Layout:
    """Return the layout of an array, or of rows, that has a shape."""
    if format is None and len(shape) == 3 and shape[-1] in (3, 4):
        raise ValueError(
            f"X of shape {shape} looks like one color image: pass X[None] for a batch "
            "of one. Grayscale images this narrow need a channel axis: X[..., None]."
        )
    given = reading.image_shape if format is None else format.image_shape
    if len(shape) > 2:
        image_shape = shape[1:]
    elif given is None:
        return square_layout(shape[1])
    else:
        image_shape = complete_shape(given, shape[1])
    return Layout(image_shape, find_channel_axis(image_shape, reading, format))


def square_layout(n_features: int) -> Layout:
    """Return the layout of square images, grayscale or RGB, in rows."""
    side = math.isqrt(n_features)
    if side * side == n_features:
        return Layout((side, side), None)
    side = math.isqrt(n_features // 3)
    if 3 * side * side == n_features:
        return Layout((side, side, 3), -1)
    raise ValueError(
        f"Rows of {n_features} features are neither square grayscale nor square RGB: "
        "pass reading=Reading(image_shape=(height, width)) or (height, width, 3), or "
        'encoder="precomputed" to cluster rows of features.'
    )


def complete_shape(image_shape: Sequence[int], n_features: int) -> tuple[int, ...]:
    """Return a shape with -1 replaced; raise if rows are not of that length."""
    try:
        return np.empty(n_features, dtype=np.bool_).reshape(image_shape).shape
    except ValueError as error:
        raise ValueError(
            f"The rows of X have {n_features} features, which do not make an image of "
            f"image_shape={image_shape}, given or learned in fit."
        ) from error


def find_channel_axis(
    image_shape: tuple[int, ...], reading: Reading, format: ImageFormat | None
) -> int | None:
    """Return the channels' axis in a batch (1 or -1), None for (height, width).

    With a format it is the axis with as many channels, that of the format first.
    """
    counts = CHANNEL_COUNTS if format is None else (format.n_channels,)
    if len(image_shape) == 2 and 1 in counts:
        return None
    if format is None and reading.channel_axis is not None:
        return reading.channel_axis
    lengths = {-1: image_shape[-1], 1: image_shape[0]} if len(image_shape) > 2 else {}
    fitting = [axis for axis, length in lengths.items() if length in counts]
    if len(fitting) == 1:
        return fitting[0]
    if format is None:
        raise ValueError(
            f"Images of shape {image_shape} have {len(fitting) or 'no'} axes, first or "
            "last, of 1, 3 or 4 channels: pass channel_axis=1 for channels first or "
            "channel_axis=-1 for channels last."
        )
    if not fitting:
        raise ValueError(
            f"Images of shape {image_shape} do not have the {format.n_channels} "
            "channel(s) of the images given to fit. Pass one image as image[None]."
        )
    return format.channel_axis or -1
