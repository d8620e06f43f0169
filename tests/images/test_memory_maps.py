"""Memory maps are read without keeping what was read."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_mfavb.images import open_images

STATUS = Path("/proc/self/status")


def resident_file_bytes():
    """Return how much of this process's memory is pages of files (Linux)."""
    [kilobytes] = re.findall(r"RssFile:\s+(\d+) kB", STATUS.read_text("ascii"))
    return int(kilobytes) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pages_of_a_map_are_given_back(tmp_path, dtype):
    """Checking and reading a whole map leaves little of it resident."""
    path = tmp_path / "images.npy"
    written = np.lib.format.open_memmap(path, "w+", dtype, (512, 64, 64, 3))
    written[:] = 1
    del written
    mapped = np.load(path, mmap_mode="r")
    before = resident_file_bytes()
    source = open_images(np.asarray(mapped))
    for start in range(0, 512, 32):
        source.read(range(start, start + 32), (64, 64))
    assert resident_file_bytes() - before < mapped.nbytes / 4


def test_changes_of_a_private_map_survive(tmp_path):
    """A copy-on-write map keeps what the user wrote into it."""
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8), dtype=np.uint8))
    private = np.load(tmp_path / "images.npy", mmap_mode="c")
    private[2] = 9
    open_images(private).read([0, 1, 2, 3], (8, 8))
    assert_array_equal(private[2], 9)


def test_changes_of_a_writable_map_survive(tmp_path):
    """A writable map keeps what the user wrote into it, flushed or not."""
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8), dtype=np.uint8))
    writable = np.load(tmp_path / "images.npy", mmap_mode="r+")
    writable[2] = 9
    open_images(writable).read([0, 1, 2, 3], (8, 8))
    assert_array_equal(writable[2], 9)
