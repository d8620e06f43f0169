"""Arrays of every kind: in memory, memory-mapped, on disk, on a device."""

import mmap
from collections.abc import Iterator
from numbers import Number
from typing import Any

import numpy as np
import torch

# np.ndarray, torch.Tensor, or an array on disk (h5py, zarr), which is read in slices.
Array = Any

# Large enough to hide the cost per chunk, small beside any machine's memory.
CHUNK_BYTES = 64 * 2**20


def is_table(X: Any) -> bool:
    """Whether the input is rows of numbers, for scikit-learn's ``validate_data``.

    Parameters
    ----------
    X : object
        Anything that may be passed to `fit`.

    Returns
    -------
    bool
        True for two-dimensional arrays in memory, dataframes and lists of rows of
        numbers; False for a single column of paths.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import is_table
    >>> is_table([[0.0, 0.5], [0.25, 1.0]]), is_table(np.zeros((5, 8, 8)))
    (True, False)
    """
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and _is_row(X[0])
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

    They count as memory of the process, which would hold the whole file after one
    epoch. Released, they stay in the system's file cache: reading them again costs a
    page fault, not the disk.
    """
    owner: object = images
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap) and owner.mode == "c":
            return  # its changes are in no file
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _is_row(item: Any) -> bool:
    """Whether an item of a list is a row of numbers."""
    if isinstance(item, (list, tuple)):
        return len(item) == 0 or isinstance(item[0], Number)
    return isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim == 1
