"""Arrays of every kind, and which of their numbers are black and white."""

import mmap
from collections.abc import Callable, Iterable, Iterator
from numbers import Number
from typing import Any

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, PixelRule, Range

# np.ndarray, torch.Tensor, or an array on disk (h5py, zarr), which is read in slices.
Array = Any

# Large enough to hide the cost per chunk, small beside any machine's memory.
CHUNK_BYTES = 64 * 2**20


def is_table(X: Any) -> bool:
    """Whether X is rows of numbers, for scikit-learn's ``validate_data``.

    Two-dimensional arrays in memory, dataframes and lists of rows of numbers are; a
    column of paths is not.
    """
    if isinstance(X, (list, tuple)):
        first = X[0] if len(X) else None
        if isinstance(first, (list, tuple)):
            return len(first) == 0 or isinstance(first[0], Number)
        return isinstance(first, (np.ndarray, torch.Tensor)) and first.ndim == 1
    array = None if is_sparse(X) else as_array(X)
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        return False
    # scikit-learn has its own words for complex numbers and for objects.
    return array.dtype.kind in "biufcO" and as_items(array) is None


def as_array(X: Any) -> Array | None:
    """Return X as an array that shares its memory if it can; None if X is no array."""
    if isinstance(X, np.ndarray) or is_on_disk(X):
        return X
    if isinstance(X, torch.Tensor):
        images = X.detach()
        is_numpy = images.device.type == "cpu" and images.dtype != torch.bfloat16
        return images.numpy() if is_numpy else images
    # PIL images have __array_interface__ but not __array__.
    is_array_like = hasattr(X, "__array__") and not isinstance(X, (type, np.generic))
    return np.asarray(X) if is_array_like else None


def is_on_disk(X: Any) -> bool:
    """Whether X is an array of h5py, zarr or the like, which np.asarray reads whole."""
    return all(hasattr(X, name) for name in ("chunks", "shape", "dtype", "__getitem__"))


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix of SciPy or a sparse tensor."""
    if isinstance(X, torch.Tensor):
        return X.layout != torch.strided
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def as_items(array: Array) -> list[Any] | None:
    """Return the items of an array or column of paths or objects; None for numbers."""
    # Kinds O, U and T: objects, and strings of fixed and of variable length.
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "OUT":
        return None
    if array.ndim == 1:
        return list(array)
    if array.ndim != 2 or array.shape[1] != 1:
        return None
    items = list(array[:, 0])
    return None if all(isinstance(item, Number) for item in items) else items


def as_numbers(array: Array) -> Array:
    """Return an array of real numbers; raise for every other type of entry."""
    dtype = take(array, slice(0, 0)).dtype if array.ndim else array.dtype
    if dtype.kind == "c":
        raise ValueError("Complex data not supported: pass real numbers.")
    if dtype.kind == "O" and isinstance(array, np.ndarray):
        return array.astype(np.float64)
    if dtype.kind not in "biuf":
        raise TypeError(
            f"X is an array of type {dtype} and shape {tuple(array.shape)}, but pixels "
            "are numbers. For image files pass a list of paths, one per image."
        )
    return array


def take(images: Array, key: slice | np.ndarray) -> np.ndarray:
    """Return images[key] as an array in main memory."""
    if isinstance(images, np.ndarray):
        return np.asarray(images[key])
    if isinstance(images, torch.Tensor):
        index = key if isinstance(key, slice) else torch.from_numpy(key)
        part = images[index].cpu()
        # NumPy has no bfloat16.
        return (part.float() if part.dtype == torch.bfloat16 else part).numpy()
    if isinstance(key, slice):
        return np.asarray(images[key])
    # h5py takes indices in ascending order only, each once.
    unique, inverse = np.unique(key, return_inverse=True)
    return np.asarray(images[unique])[inverse]


def iterate_chunks(images: Array) -> Iterator[np.ndarray]:
    """Yield consecutive images, about 64 MiB of them at a time."""
    image_bytes = take(images, slice(0, 1)).nbytes
    step = max(1, CHUNK_BYTES // max(1, image_bytes))
    for start in range(0, len(images), step):
        yield take(images, slice(start, start + step))
        release_pages(images)


def release_pages(images: Array) -> None:
    """Release the pages that were read of a memory map.

    They would count as memory of the process. They stay in the system's file cache.
    """
    owner: object = images
    is_file = False  # other maps, and changes that are in no file, would be lost
    while isinstance(owner, np.ndarray):
        is_file = isinstance(owner, np.memmap) and owner.mode != "c"
        owner = owner.base
    if is_file and isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


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

    It is `pixel_range` where the type alone says that the values are right.
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
    expected = (
        'which do not look like images: pass encoder="precomputed" to cluster rows of '
        "features. If they are images"
        if are_rows
        else "but images are read from uint8 (0 to 255) or floats in [0, 1]"
    )
    advice = _advice(dtype, smallest, largest)
    raise ValueError(f"X holds {seen}, {expected}: {advice}.")


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
