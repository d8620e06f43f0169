"""Values of pixels: which numbers are black and white."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, PixelRule, Range

BYTE_RANGE: Range = (0.0, 255.0)
UNIT_RANGE: Range = (0.0, 1.0)

# Bits of the sensors whose values are stored in 16 bits.
FULL_SCALES = [2**bits - 1 for bits in (8, 10, 12, 14, 16)]


def natural_range(dtype: np.dtype) -> Range:
    """Return the range that images of this type have by convention."""
    return BYTE_RANGE if dtype == np.uint8 else UNIT_RANGE


def learn_range(
    given: Any, dtype: np.dtype, measure: Callable[[], Range]
) -> tuple[Range, PixelRule]:
    """Return range and rule of images in fit, for a value of pixel_range."""
    if not isinstance(given, str):
        return (float(given[0]), float(given[1])), "fixed"
    return (measure(), "data") if given == "data" else (natural_range(dtype), "auto")


def range_of(dtype: np.dtype, format: ImageFormat) -> Range:
    """Return the values of black and white in an array of this type."""
    is_auto = format.pixel_rule == "auto"
    return natural_range(dtype) if is_auto else format.pixel_range


def measure_range(chunks: Iterable[np.ndarray]) -> Range:
    """Return the smallest and largest value; raise for NaN and infinity."""
    low, high = np.inf, -np.inf
    for chunk in chunks:
        # min and max carry a NaN along, so neither needs a mask as large as the chunk.
        smallest, largest = float(chunk.min()), float(chunk.max())
        if np.isnan(smallest):
            raise ValueError("Input X contains NaN.")
        if np.isinf(smallest) or np.isinf(largest):
            raise ValueError(
                f"Input X contains infinity or a value too large for {chunk.dtype}."
            )
        low, high = min(low, smallest), max(high, largest)
    return low, high


def check_pixels(
    chunks: Iterable[np.ndarray],
    dtype: np.dtype,
    *,
    rule: PixelRule,
    pixel_range: Range,
    are_rows: bool = False,
) -> Range:
    """Return the range of the values; raise if they cannot be pixels.

    The values are not looked at if their type alone says that they are right; then the
    range returned is `pixel_range`.
    """
    low, high = pixel_range
    if rule != "data" and dtype.kind in "bu" and dtype.itemsize == 1:
        first, last = natural_range(dtype)
        if low <= first and last <= high:
            return pixel_range
    smallest, largest = measure_range(chunks)
    is_inside = low <= smallest and largest <= high
    is_integer_image = rule == "auto" and dtype.kind in "iu"
    if rule == "data" or (is_inside and not is_integer_image):
        return smallest, largest
    seen = f"{dtype} values from {smallest:g} to {largest:g}"
    if rule == "fixed":
        raise ValueError(f"X holds {seen}, but pixel_range is ({low:g}, {high:g}).")
    advice = _advice(dtype, smallest, largest)
    if are_rows:
        raise ValueError(
            f"X has rows of {seen}, which do not look like images: pass "
            f'encoder="precomputed" to cluster rows of features. If they are images: '
            f"{advice}."
        )
    raise ValueError(
        f"X holds {seen}, but images are read from uint8 (0 to 255) or floats in "
        f"[0, 1]: {advice}."
    )


def scale(images: np.ndarray, pixel_range: Range) -> torch.Tensor:
    """Return 8-bit images as they are, others as float32 with the range as [0, 1]."""
    if is_eight_bit(images.dtype, pixel_range):
        return torch.from_numpy(np.ascontiguousarray(images))
    low, high = pixel_range
    if pixel_range != UNIT_RANGE:
        # In double precision: values far from zero would cancel in single precision.
        width = high - low if high > low else 1.0
        images = np.subtract(images, low, dtype=np.float64) / width
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))


def is_eight_bit(dtype: np.dtype, pixel_range: Range) -> bool:
    """Whether images can stay bytes on their way to the device."""
    return dtype == np.uint8 and pixel_range == BYTE_RANGE


def join_ranges(ranges: list[Range]) -> Range:
    """Return the smallest and the largest value of all."""
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def full_scale(ranges: list[Range], *, are_integers: bool, is_observed: bool) -> Range:
    """Return black and white of files with more than 8 bits, from their ranges."""
    if not ranges or is_observed:
        return join_ranges(ranges) if ranges else UNIT_RANGE
    high = join_ranges(ranges)[1]
    scales = FULL_SCALES if are_integers else [1]
    return 0.0, float(next((white for white in scales if high <= white), high))


def _advice(dtype: np.dtype, smallest: float, largest: float) -> str:
    """Return what would be right for values that the automatic range refuses."""
    if smallest >= 0 and largest <= 255:
        remedy = "divide by 255" if dtype.kind == "f" else "use X.astype(np.uint8)"
        return f"{remedy} or pass pixel_range=(0, 255)"
    if smallest >= 0 and largest <= 65535:
        return "pass pixel_range=(0, 65535) for 16-bit images, or pixel_range='data'"
    if smallest >= -1 and largest <= 1:
        return "pass pixel_range=(-1, 1)"
    return "pass pixel_range=(low, high), or pixel_range='data' for the observed range"
