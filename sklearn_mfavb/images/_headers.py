"""What the headers of images say together: their format."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, Range, Size
from sklearn_mfavb.images._pixels import (
    BYTE_RANGE,
    is_eight_bit,
    join_ranges,
    learn_range,
    range_of,
)
from sklearn_mfavb.images._reading import Reading


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are decoded."""

    size: Size
    n_channels: int
    dtype: np.dtype
    limits: Range
    is_pil: bool
    is_deep: bool = False


def learn_format(headers: list[Header], reading: Reading) -> ImageFormat:
    """Return the format of the images passed to fit."""
    size = median_size([header.size for header in headers])
    n_channels = _common_channels(headers)
    ranges = [header.limits for header in headers if not header.is_pil]
    pixel_range, rule = learn_range(
        reading.pixel_range,
        np.result_type(*(header.dtype for header in headers)),
        lambda: join_ranges(ranges) if ranges else BYTE_RANGE,
    )
    if rule == "data" and not ranges:
        rule = "auto"
    axis = None if n_channels == 1 else reading.channel_axis
    shape = (n_channels, *size) if axis == 1 else (*size, n_channels)
    return ImageFormat(
        size if n_channels == 1 else shape, axis, pixel_range, rule, reading.resize
    )


def check_pil_channels(format: ImageFormat) -> None:
    """Raise if files cannot be converted to the channels of the images in fit."""
    if format.n_channels not in (1, 3):
        raise ValueError(
            "Files and PIL images are read as grayscale (1 channel) or RGB (3), but "
            f"the images given to fit have {format.n_channels} channels: pass arrays."
        )


def common_type(headers: Iterable[Header], format: ImageFormat) -> torch.dtype:
    """Return uint8 if every image has 8 bits, else float32."""
    are_bytes = all(
        header.is_pil or is_eight_bit(header.dtype, range_of(header.dtype, format))
        for header in headers
    )
    return torch.uint8 if are_bytes else torch.float32


def _common_channels(headers: list[Header]) -> int:
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


def median_size(sizes: list[Size]) -> Size:
    """Return the median height and the median width."""
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)
