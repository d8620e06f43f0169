"""Memory maps: read from them without keeping what was read."""

import mmap

import numpy as np
import torch


def release_pages(images: np.ndarray | torch.Tensor) -> None:
    """Give back the pages that were read of a memory map; others are left alone.

    Pages of a map count as memory of the process once touched, so that an epoch would
    end with the whole file resident. Released, they stay in the system's file cache: a
    second read costs a page fault, not the disk.
    """
    mapped = _shared_map(images)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _shared_map(images: np.ndarray | torch.Tensor) -> mmap.mmap | None:
    """Return the map behind an array, unless it holds changes that no file has."""
    owner: object = images
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap) and owner.mode == "c":
            return None
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) else None
