"""Images in one array: their axes, and the source that reads them."""

import math
from collections.abc import Sequence, Set

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, Reading, Size
from sklearn_mfavb.images._source import ImageSource, Target, as_size
from sklearn_mfavb.images._values import (
    Array,
    as_numbers,
    check_pixels,
    is_eight_bit,
    is_on_disk,
    iterate_chunks,
    learn_range,
    measure_range,
    range_of,
    release_pages,
    scale,
    take,
)

Layout = tuple[tuple[int, ...], int | None]

# Grayscale, color, and color with transparency.
CHANNEL_COUNTS = frozenset({1, 3, 4})


def open_array(
    array: Array, reading: Reading, format: ImageFormat | None
) -> ImageSource:
    """Open rows or images in one array, whose values are checked."""
    images = as_numbers(array)
    shape = tuple(images.shape)
    if len(shape) not in (2, 3, 4):
        raise ValueError(
            f"X has {len(shape)} dimension(s), shape {shape}, but rows (n, n_features) "
            "or images (n, height, width), (n, height, width, n_channels) or "
            "(n, n_channels, height, width) are expected. Reshape your data: "
            "one row is X.reshape(1, -1)."
        )
    if 0 in shape:
        raise ValueError(describe_empty(shape))
    dtype = take(images, slice(0, 0)).dtype
    fitted = format
    if fitted is None:
        if len(shape) == 2:
            layout = row_layout(shape[1], reading.image_shape, reading.channel_axis)
        else:
            layout = batch_layout(shape, reading.channel_axis)
        learned = learn_range(
            reading.pixel_range, dtype, lambda: measure_range(iterate_chunks(images))
        )
        fitted = ImageFormat(*layout, *learned, reading.resize)
    else:
        layout = fitted_layout(shape, fitted)
    if format is not None or not fitted.accepts_any_value:
        check_pixels(
            iterate_chunks(images),
            dtype,
            rule=fitted.pixel_rule,
            pixel_range=range_of(dtype, fitted),
            are_rows=format is None and len(shape) == 2 and not reading.image_shape,
        )
    return ArraySource(images, format=fitted, layout=layout)


class ArraySource(ImageSource):
    """Images from an array, memory map or tensor, which is never copied whole."""

    has_one_size = True

    def __init__(self, images: Array, *, format: ImageFormat, layout: Layout) -> None:
        self.images = images
        self._image_shape, self._channel_axis = layout
        batch = take(images, slice(0, 0))
        self._range = range_of(batch.dtype, format)
        is_bytes = is_eight_bit(batch.dtype, self._range)
        super().__init__(
            len(images),
            format=format,
            image_size=self._as_images(batch).shape[2:],
            dtype=torch.uint8 if is_bytes else torch.float32,
        )
        self._was_read[:] = True  # arrays are checked when they are opened

    def keep(self, size: Size) -> None:
        """Keep images at a size, unless the array already has it."""
        if as_size(size) != self.image_size or is_on_disk(self.images):
            super().keep(size)

    def _load(self, indices: np.ndarray, targets: list[Target]) -> list[torch.Tensor]:
        """Load images and return the batch for each target."""
        batch = take(self.images, indices)
        release_pages(self.images)
        images = scale(self._as_images(batch), self._range)
        return [resize(images, size) for size, resize in targets]

    def _as_images(self, batch: np.ndarray) -> np.ndarray:
        """View a batch as (batch_size, n_channels, height, width)."""
        images = batch.reshape(len(batch), *self._image_shape)
        return channels_first(images, self._channel_axis)


def describe_empty(shape: tuple[int, ...]) -> str:
    """Return, in scikit-learn's words, that there are no images or no pixels."""
    noun = "feature(s)" if shape[0] else "sample(s)"
    return (
        f"Found array with 0 {noun} (shape={shape}) while a minimum of 1 is required."
    )


def batch_layout(shape: tuple[int, ...], channel_axis: int | None) -> Layout:
    """Return the image shape and channel axis of an array of 3 or 4 dimensions."""
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise ValueError(
            f"X of shape {shape} looks like one color image: pass X[None] for a batch "
            "of one. Grayscale images that narrow need a channel axis: X[..., None]."
        )
    return shape[1:], find_channel_axis(shape[1:], channel_axis)


def row_layout(
    n_features: int, image_shape: Sequence[int] | None, channel_axis: int | None
) -> Layout:
    """Return the image shape and channel axis of rows with n_features numbers."""
    if image_shape is None:
        for n_channels in (1, 3):
            side = math.isqrt(n_features // n_channels)
            if n_channels * side * side == n_features:
                is_gray = n_channels == 1
                return ((side, side), None) if is_gray else ((side, side, 3), -1)
        raise ValueError(
            f"Rows of {n_features} features are neither square grayscale nor square "
            "RGB: pass reading=Reading(image_shape=(height, width)) or (height, "
            'width, 3), or encoder="precomputed" to cluster rows of features.'
        )
    known = math.prod(length for length in image_shape if length != -1)
    inferred = n_features // known
    shape = tuple(inferred if n == -1 else int(n) for n in image_shape)
    if math.prod(shape) != n_features or inferred < 1:
        raise ValueError(
            f"image_shape={image_shape} holds "
            f"{'a multiple of ' if -1 in image_shape else ''}{known} numbers, but the "
            f"rows of X have {n_features} features."
        )
    return shape, find_channel_axis(shape, channel_axis)


def fitted_layout(shape: tuple[int, ...], fitted: ImageFormat) -> Layout:
    """Return the layout of a new array, which must match the images passed to fit."""
    if len(shape) != 2:
        return shape[1:], fitted_axis(shape[1:], fitted)
    if shape[1] != fitted.n_features:
        raise ValueError(
            f"X has {shape[1]} features, but the images given to fit have "
            f"{fitted.n_features}: their shape is {fitted.image_shape}."
        )
    return fitted.image_shape, fitted_axis(fitted.image_shape, fitted)


def find_channel_axis(
    image_shape: tuple[int, ...], channel_axis: int | None
) -> int | None:
    """Return the channels' axis in a batch (1 or -1), None for (height, width)."""
    if len(image_shape) == 2:
        return None
    if channel_axis is not None:
        return channel_axis
    fitting = _axes_of_length(image_shape, CHANNEL_COUNTS)
    if len(fitting) == 1:
        return fitting[0]
    seen = (
        "are ambiguous: the first and the last axis could both hold 1, 3 or 4 channels"
        if fitting
        else "have no channel axis: neither the first nor last has 1, 3 or 4 entries"
    )
    raise ValueError(
        f"Images of shape {image_shape} {seen}. Pass channel_axis=1 for channels first "
        "or channel_axis=-1 for channels last."
    )


def fitted_axis(image_shape: tuple[int, ...], fitted: ImageFormat) -> int | None:
    """Return the axis with the fitted number of channels, the fitted axis first."""
    n_channels = fitted.n_channels
    if len(image_shape) == 2 and n_channels == 1:
        return None
    fitting = _axes_of_length(image_shape, {n_channels})
    if len(image_shape) == 2 or not fitting:
        raise ValueError(
            f"Images of shape {image_shape} do not have the {n_channels} channel(s) of "
            "the images given to fit. A batch of one image is image[None]."
        )
    # Files passed to fit have no axis; where both fit, the last one is usual.
    return fitted.channel_axis if fitted.channel_axis in fitting else fitting[0]


def channels_first(images: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """View a batch as (batch_size, n_channels, height, width)."""
    if channel_axis is None:
        return images[:, None]
    return np.moveaxis(images, channel_axis, 1)


def _axes_of_length(image_shape: tuple[int, ...], lengths: Set[int]) -> list[int]:
    """Return which of a batch's axes -1 and 1 have one of the lengths."""
    candidates = {-1: image_shape[-1], 1: image_shape[0]}
    return [axis for axis, length in candidates.items() if length in lengths]
