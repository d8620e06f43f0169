"""Which numbers are black and white."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from sklearn.utils import assert_all_finite

Range = tuple[float, float]

BYTE_RANGE: Range = (0.0, 255.0)
UNIT_RANGE: Range = (0.0, 1.0)


class PixelRule(NamedTuple):
    """Values of black and white, and which others are allowed: see `ImageFormat`."""

    limits: Range
    kind: Literal["auto", "fixed", "data"]

    def range_of(self, dtype: np.dtype) -> Range:
        """Return the values of black and white in an array of this type."""
        return natural_range(dtype) if self.kind == "auto" else self.limits

    def keeps_bytes(self, dtype: np.dtype) -> bool:
        """Whether images can stay bytes on their way to the device."""
        return dtype == np.uint8 and self.range_of(dtype) == BYTE_RANGE

    def check(self, dtype: np.dtype, measure: Callable[[], Range]) -> Range:
        """Return the range of the values; raise if they cannot be pixels.

        They are not measured where the type alone says that they are right.
        """
        low, high = self.range_of(dtype)
        is_told_by_type = dtype in (np.uint8, np.bool_) and self.kind != "data"
        if is_told_by_type and low <= 0 and natural_range(dtype)[1] <= high:
            return low, high
        smallest, largest = measure()
        is_inside = low <= smallest and largest <= high
        is_integer_image = self.kind == "auto" and dtype.kind in "iu"
        if self.kind == "data" or (is_inside and not is_integer_image):
            return smallest, largest
        seen = f"X holds {dtype} values from {smallest:g} to {largest:g}"
        if self.kind == "fixed":
            raise ValueError(f"{seen}, but pixel_range is ({low:g}, {high:g}).")
        raise ValueError(
            f"{seen}, but images are read from uint8 (0 to 255) or floats in [0, 1]: "
            f"{_advice(dtype, smallest, largest)}. For rows of features pass "
            'encoder="precomputed".'
        )

    def scale(self, images: np.ndarray) -> torch.Tensor:
        """Return bytes as they are if they can stay, else floats with white as 1."""
        if self.keeps_bytes(images.dtype):
            return torch.from_numpy(np.require(images, requirements=["C", "W"]))
        low, high = self.range_of(images.dtype)
        if (low, high) != UNIT_RANGE:
            # In double precision: values far from zero would cancel in single.
            width = high - low if high > low else 1.0
            images = np.subtract(images, low, dtype=np.float64) / width
        return torch.from_numpy(np.require(images, np.float32, ["C", "W"]))


def learn_rule(given: Any, dtype: np.dtype, measure: Callable[[], Range]) -> PixelRule:
    """Return the rule of images in fit, for a value of pixel_range."""
    if not isinstance(given, str):
        return PixelRule((float(given[0]), float(given[1])), "fixed")
    if given == "data":
        return PixelRule(measure(), "data")
    return PixelRule(natural_range(dtype), "auto")


def natural_range(dtype: np.dtype) -> Range:
    """Return the range that images of this type have by convention."""
    return BYTE_RANGE if dtype == np.uint8 else UNIT_RANGE


def measure_range(chunks: Iterable[np.ndarray]) -> Range:
    """Return the smallest and largest value; raise for NaN and infinity."""
    return join_ranges(map(_extremes, chunks))


def _extremes(chunk: np.ndarray) -> Range:
    """Return the smallest and largest value of one array."""
    assert_all_finite(chunk, input_name="X")
    return float(chunk.min()), float(chunk.max())


def join_ranges(ranges: Iterable[Range]) -> Range:
    """Return the smallest and the largest value of all."""
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


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
