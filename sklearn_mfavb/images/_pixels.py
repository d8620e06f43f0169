"""Pixel values: which numbers are black and white, and are all numbers numbers."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from sklearn_mfavb.images._format import PixelRule
from sklearn_mfavb.images._memory_maps import release_pages

Range = tuple[float, float]

# Large enough to hide the cost per chunk, small beside any machine's memory.
CHUNK_BYTES = 64 * 2**20

BYTE_RANGE: Range = (0.0, 255.0)
UNIT_RANGE: Range = (0.0, 1.0)


def take(images: np.ndarray | torch.Tensor, key: slice | np.ndarray) -> np.ndarray:
    """Return images[key] as an array in main memory."""
    if isinstance(images, np.ndarray):
        return np.asarray(images[key])
    index = key if isinstance(key, slice) else torch.from_numpy(key)
    part = images[index].detach().cpu()
    # NumPy has no bfloat16.
    return (part.float() if part.dtype == torch.bfloat16 else part).numpy()


def iterate_chunks(images: np.ndarray | torch.Tensor) -> Iterator[np.ndarray]:
    """Yield consecutive images, about 64 MiB of them at a time."""
    image_bytes = take(images, slice(0, 1)).nbytes
    step = max(1, CHUNK_BYTES // max(1, image_bytes))
    for start in range(0, len(images), step):
        yield take(images, slice(start, start + step))
        release_pages(images)


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


def choose_rule(pixel_range: str | Range, *, is_strip: bool) -> PixelRule:
    """Return the rule that fit and predict share."""
    if not isinstance(pixel_range, str):
        return "fixed"
    # A strip is a row of features: no picture whose range could be known beforehand.
    return "data" if pixel_range == "data" or is_strip else "auto"


def learn_range(
    dtype: np.dtype,
    chunks: Iterable[np.ndarray],
    *,
    rule: PixelRule,
    pixel_range: str | Range,
) -> Range:
    """Return the range of the images given to fit, whose values are checked."""
    if rule == "data":
        is_byte_strip = dtype == np.uint8 and pixel_range == "auto"
        return BYTE_RANGE if is_byte_strip else measure_range(chunks)
    expected = UNIT_RANGE if isinstance(pixel_range, str) else pixel_range
    return check_range(dtype, chunks, rule=rule, learned=expected)


def check_range(
    dtype: np.dtype, chunks: Iterable[np.ndarray], *, rule: PixelRule, learned: Range
) -> Range:
    """Return the range to read values of this type with; raise if any is outside."""
    low, high = natural_range(dtype) if rule == "auto" else learned
    if _is_inside(dtype, rule, (low, high)):
        return low, high
    smallest, largest = measure_range(chunks)
    is_integer_picture = rule == "auto" and dtype.kind in "iu"
    is_outside = smallest < low or largest > high
    if is_integer_picture or (is_outside and rule != "data"):
        raise ValueError(
            f"X holds {dtype} values from {smallest:g} to {largest:g}, but "
            + (
                f"pixel_range is ({low:g}, {high:g})."
                if rule == "fixed"
                else f"images are read from uint8 (0 to 255) or floats in [0, 1]: "
                f"{_advice(dtype, smallest, largest)}."
            )
        )
    return low, high


def natural_range(dtype: np.dtype) -> Range:
    """Return the range that pictures of this type have by convention."""
    return BYTE_RANGE if dtype == np.uint8 else UNIT_RANGE


def scale(images: np.ndarray, value_range: Range) -> torch.Tensor:
    """Return 8-bit images as they are, others as float32 with the range as [0, 1]."""
    if is_eight_bit(images.dtype, value_range):
        return torch.from_numpy(np.ascontiguousarray(images))
    low, high = value_range
    if value_range != UNIT_RANGE:
        # Double precision: features far from zero would cancel in single precision.
        width = high - low if high > low else 1.0
        images = np.subtract(images, low, dtype=np.float64) / width
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))


def is_eight_bit(dtype: np.dtype, value_range: Range) -> bool:
    """Whether images can stay bytes on their way to the device."""
    return dtype == np.uint8 and value_range == BYTE_RANGE


def _is_inside(dtype: np.dtype, rule: PixelRule, value_range: Range) -> bool:
    """Whether the type alone says that no value can be wrong."""
    if dtype.kind in "biu" and rule == "data":
        return True
    if dtype != np.uint8 and dtype.kind != "b":
        return False
    low, high = natural_range(dtype)
    return value_range[0] <= low and high <= value_range[1]


def _advice(dtype: np.dtype, smallest: float, largest: float) -> str:
    """Say what would be right for values that the automatic range refuses."""
    if smallest >= 0 and largest <= 255:
        remedy = "divide by 255" if dtype.kind == "f" else "use X.astype(np.uint8)"
        return f"{remedy} or pass pixel_range=(0, 255)"
    if smallest >= 0 and largest <= 65535:
        return "pass pixel_range=(0, 65535) for 16-bit pictures, or pixel_range='data'"
    if smallest >= -1 and largest <= 1:
        return "pass pixel_range=(-1, 1)"
    return "pass pixel_range=(low, high), or pixel_range='data' for the observed range"
