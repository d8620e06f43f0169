"""Images that come one by one from memory: arrays of different sizes, datasets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from sklearn_mfavb.images._arrays import as_array, as_numbers
from sklearn_mfavb.images._decode import decode, read_header
from sklearn_mfavb.images._files import check_picture_channels
from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._layout import channels_first, find_item_axis
from sklearn_mfavb.images._options import ReadingOptions
from sklearn_mfavb.images._pictures import PictureSource, Unreadable, median_size
from sklearn_mfavb.images._pixels import (
    BYTE_RANGE,
    UNIT_RANGE,
    check_range,
    choose_rule,
    is_eight_bit,
    measure_range,
    natural_range,
    scale,
    take,
)

# Enough items to tell the kind and the usual size of a dataset's images.
N_PROBES = 32

PIL_DTYPE = np.dtype(np.uint8)


@dataclass(frozen=True)
class ItemHeader:
    """What one image says about the others."""

    size: Size
    n_channels: int
    is_pil: bool
    dtype: np.dtype


class ItemSource(PictureSource):
    """Read images one by one as they are given: PIL images or arrays."""

    def __init__(
        self,
        items: Any,
        *,
        headers: list[ItemHeader],
        format: ImageFormat,
        options: ReadingOptions,
        errors: Unreadable,
    ) -> None:
        sizes = [header.size for header in headers]
        super().__init__(
            n_images=len(items),
            format=format,
            image_size=median_size(sizes) if sizes else format.image_size,
            errors=errors,
            dtype=_common_type(headers, format),
        )
        self._items = items
        self._options = options

    def load(self, index: int, size: Size) -> torch.Tensor:
        """Return image index as (n_channels, any height, any width)."""
        image = open_item(self._items[index], options=self._options)
        if isinstance(image, Image.Image):
            pixels = torch.from_numpy(decode(image, n_channels=self.n_channels))
            return _convert(pixels, self._dtype)
        if len(image) != self.n_channels:
            raise ValueError(f"it has {len(image)} channels, not {self.n_channels}")
        value_range = check_range(
            image.dtype,
            [image],
            rule=self.format.pixel_rule,
            learned=self.format.pixel_range,
        )
        return _convert(scale(image, value_range), self._dtype)


class DatasetSource(ItemSource):
    """Read a map-style dataset, whose items may come out changed every time."""

    is_constant = False


def make_item_source(images: list[Any], *, options: ReadingOptions) -> ItemSource:
    """Return the source of PIL images, or of arrays with different shapes."""
    errors = Unreadable(options.on_error)
    headers = _read_headers(images, range(len(images)), options, errors)
    format = _choose_format(images, headers, options, errors)
    return ItemSource(
        images, headers=headers, format=format, options=options, errors=errors
    )


def make_dataset_source(dataset: Any, *, options: ReadingOptions) -> DatasetSource:
    """Return the source of a map-style dataset, of which few items are read now."""
    errors = Unreadable(options.on_error)
    n_items = len(dataset)
    probes = np.unique(np.linspace(0, n_items - 1, N_PROBES).astype(int))
    headers = _read_headers(dataset, probes.tolist(), options, errors)
    # One coloured picture settles that the images are RGB, but only all can be grey.
    if all(header.is_pil and header.n_channels == 1 for header in headers):
        rest = np.setdiff1d(np.arange(n_items), probes)
        headers += _read_headers(dataset, rest.tolist(), options, errors)
    format = _choose_format(dataset, headers, options, errors)
    return DatasetSource(
        dataset, headers=headers, format=format, options=options, errors=errors
    )


def open_item(item: Any, *, options: ReadingOptions) -> Image.Image | np.ndarray:
    """Return the image of an item: as PIL has it, or (n_channels, height, width)."""
    if isinstance(item, Mapping):
        item = item.get("image")
    elif isinstance(item, (tuple, list)) and item:
        item = item[0]
    if isinstance(item, Image.Image):
        return item
    array = as_array(item)
    if array is None:
        raise TypeError(
            f"it is of type {type(item).__name__}, but an image is expected (PIL, "
            "array or tensor): alone, first in a tuple, or under 'image' in a dict"
        )
    image = take(as_numbers(array)[None], slice(0, 1))[0]
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"its shape is {image.shape}, but (height, width), "
            "(height, width, n_channels) or (n_channels, height, width) is expected"
        )
    axis = find_item_axis(
        image.shape, channel_axis=options.channel_axis, fitted=options.format
    )
    return channels_first(image[None], axis)[0]


def _open_each(
    items: Any, indices: Iterable[int], options: ReadingOptions, errors: Unreadable
) -> Iterator[Image.Image | np.ndarray]:
    """Yield the images that can be read and are checked; report the others."""
    for index in indices:
        try:
            image = open_item(items[index], options=options)
            _check_values(image, options)
        # Users' datasets raise errors of any kind.
        except Exception as error:
            errors.report(index, error)
        else:
            yield image


def _check_values(image: Image.Image | np.ndarray, options: ReadingOptions) -> None:
    """Raise for values that cannot be pixels."""
    if isinstance(image, Image.Image):
        return
    fitted = options.format
    if fitted is not None:
        rule, learned = fitted.pixel_rule, fitted.pixel_range
    else:
        rule = choose_rule(options.pixel_range, is_strip=False)
        given = options.pixel_range
        learned = UNIT_RANGE if isinstance(given, str) else given
    check_range(image.dtype, [image], rule=rule, learned=learned)


def _read_headers(
    items: Any, indices: Iterable[int], options: ReadingOptions, errors: Unreadable
) -> list[ItemHeader]:
    """Return what the readable items say."""
    images = _open_each(items, indices, options, errors)
    return [_item_header(image) for image in images]


def _item_header(image: Image.Image | np.ndarray) -> ItemHeader:
    if isinstance(image, Image.Image):
        header = read_header(image)
        n_channels = 1 if header.is_grey else 3
        return ItemHeader(header.size, n_channels, True, PIL_DTYPE)
    n_channels, height, width = image.shape
    return ItemHeader((height, width), n_channels, False, image.dtype)


def _choose_format(
    items: Any, headers: list[ItemHeader], options: ReadingOptions, errors: Unreadable
) -> ImageFormat:
    """Return the fitted format, which the items must suit, else learn one."""
    fitted = options.format
    if fitted is None:
        errors.raise_if_all(len(items))
        return _learn_format(items, headers, options, errors)
    if any(header.is_pil for header in headers):
        check_picture_channels(fitted)
    return fitted


def _learn_format(
    items: Any, headers: list[ItemHeader], options: ReadingOptions, errors: Unreadable
) -> ImageFormat:
    """Return the format of the items given to fit."""
    size = median_size([header.size for header in headers])
    n_channels = _common_channels(headers)
    axis = options.channel_axis
    image_shape = (n_channels, *size) if axis == 1 else (*size, n_channels)
    rule = choose_rule(options.pixel_range, is_strip=False)
    learned = natural_range(np.result_type(*(header.dtype for header in headers)))
    if all(header.is_pil for header in headers):
        return ImageFormat(image_shape, axis, BYTE_RANGE, "auto")
    if not isinstance(options.pixel_range, str):
        learned = options.pixel_range
    elif rule == "data":
        images = _open_each(items, range(len(items)), options, errors)
        learned = measure_range(im for im in images if isinstance(im, np.ndarray))
    return ImageFormat(image_shape, axis, learned, rule)


def _common_channels(headers: list[ItemHeader]) -> int:
    """Return the number of channels that all images are read with."""
    counts = {header.n_channels for header in headers if not header.is_pil}
    if not counts:
        return max(header.n_channels for header in headers)
    if len(counts) > 1:
        raise ValueError(
            f"Images have different numbers of channels: {sorted(counts)} were seen, "
            "but all must have the same."
        )
    return counts.pop()


def _common_type(headers: list[ItemHeader], format: ImageFormat) -> torch.dtype:
    """Return uint8 if every image has 8 bits, else float32."""
    by_type = format.pixel_rule == "auto"
    ranges = [
        natural_range(header.dtype) if by_type or header.is_pil else format.pixel_range
        for header in headers
    ]
    is_bytes = all(
        is_eight_bit(header.dtype, value_range)
        for header, value_range in zip(headers, ranges, strict=True)
    )
    return torch.uint8 if is_bytes else torch.float32


def _convert(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert between bytes and floats in [0, 1]."""
    if pixels.dtype == dtype:
        return pixels
    if dtype == torch.uint8:
        return (pixels * 255).round().clamp(0, 255).to(dtype)
    return pixels.to(dtype) / 255
