"""What the caller said about how to read images, checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._pixels import Range

OnError = Literal["raise", "skip"]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The checked arguments of ``check_images``."""

    image_shape: tuple[int, ...] | None
    channel_axis: int | None
    pixel_range: str | Range
    on_error: OnError
    format: ImageFormat | None


def check_options(
    *,
    image_shape: Sequence[int] | None,
    channel_axis: int | None,
    pixel_range: str | Sequence[float],
    on_error: str,
    format: ImageFormat | None,
) -> ReadingOptions:
    """Return the arguments of ``check_images``; raise ValueError for a wrong one."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
    if channel_axis not in (None, 1, -1):
        raise ValueError(
            "channel_axis must be 1 (channels first), -1 (channels last) or None (by "
            f"the shape), got {channel_axis!r}."
        )
    return ReadingOptions(
        image_shape=_check_image_shape(image_shape),
        channel_axis=channel_axis,
        pixel_range=_check_pixel_range(pixel_range),
        on_error="skip" if on_error == "skip" else "raise",
        format=format,
    )


def _check_image_shape(image_shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return image_shape as a tuple of two or three lengths, at most one of them -1."""
    if image_shape is None:
        return None
    is_shape = (
        isinstance(image_shape, Sequence)
        and len(image_shape) in (2, 3)
        and all(isinstance(n, Integral) and (n == -1 or n > 0) for n in image_shape)
        and list(image_shape).count(-1) <= 1
    )
    if not is_shape:
        raise ValueError(
            "image_shape must be (height, width), (height, width, n_channels) or "
            "(n_channels, height, width), of positive integers and at most one -1, got "
            f"{image_shape!r}."
        )
    return tuple(int(length) for length in image_shape)


def _check_pixel_range(pixel_range: str | Sequence[float]) -> str | Range:
    """Return "auto", "data" or a pair of floats in ascending order."""
    if isinstance(pixel_range, str) and pixel_range in ("auto", "data"):
        return pixel_range
    ends: list[Any] = list(pixel_range) if isinstance(pixel_range, Sequence) else []
    are_numbers = all(isinstance(end, Real) and math.isfinite(end) for end in ends)
    if len(ends) == 2 and are_numbers and ends[0] < ends[1]:
        return float(ends[0]), float(ends[1])
    raise ValueError(
        "pixel_range must be 'auto', 'data' or (low, high) with low < high, got "
        f"{pixel_range!r}."
    )
