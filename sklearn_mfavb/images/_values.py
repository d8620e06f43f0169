"""Arrays of every kind: told from other inputs, and read in parts."""

import mmap
from collections.abc import Iterator
from numbers import Number
from typing import Any

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import gen_batches

# np.ndarray, or an array on disk (h5py, zarr), which is read in slices.
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
        images = X.detach().cpu()
        # NumPy has no bfloat16.
        return (images.float() if images.dtype == torch.bfloat16 else images).numpy()
    # PIL images have __array_interface__ but not __array__.
    is_array_like = hasattr(X, "__array__") and not isinstance(X, (type, np.generic))
    return np.asarray(X) if is_array_like else None


def is_on_disk(X: Any) -> bool:
    """Whether X is an array of h5py, zarr or the like, which np.asarray reads whole."""
    return all(hasattr(X, name) for name in ("chunks", "shape", "dtype", "__getitem__"))


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix of SciPy or a sparse tensor."""
    is_sparse_tensor = isinstance(X, torch.Tensor) and X.layout != torch.strided
    return is_sparse_tensor or scipy.sparse.issparse(X)


def as_items(X: Any) -> list[Any] | None:
    """Return the items of a list, or of an array or column of paths or objects."""
    if isinstance(X, (list, tuple)):
        return list(X)
    # Kinds O, U and T: objects, and strings of fixed and of variable length.
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "OUT":
        return None
    if X.ndim == 2 and X.shape[1] == 1:
        column = list(X[:, 0])
        return None if all(isinstance(item, Number) for item in column) else column
    return list(X) if X.ndim == 1 else None


def as_numbers(array: Array) -> Array:
    """Return an array of real numbers; raise for every other type of entry."""
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError("Complex data not supported: pass real numbers.")
    if kind == "O" and isinstance(array, np.ndarray):
        return array.astype(np.float64)
    if kind not in "biuf":
        raise TypeError(
            f"X is an array of type {array.dtype} and shape {tuple(array.shape)}, but "
            "pixels are numbers. For image files pass a list of paths, one per image."
        )
    return array


def take(images: Array, key: slice | np.ndarray) -> np.ndarray:
    """Return images[key] as an array in main memory."""
    if isinstance(images, np.ndarray) or isinstance(key, slice):
        return np.asarray(images[key])
    # h5py takes indices in ascending order only, each once.
    unique, inverse = np.unique(key, return_inverse=True)
    return np.asarray(images[unique])[inverse]


def iterate_chunks(images: Array) -> Iterator[np.ndarray]:
    """Yield consecutive images, about 64 MiB of them at a time."""
    image_bytes = take(images, slice(0, 1)).nbytes
    step = max(1, CHUNK_BYTES // max(1, image_bytes))
    for chunk in gen_batches(len(images), step):
        yield take(images, chunk)
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
