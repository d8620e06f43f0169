"""Tests of images that are kept, of resizing, and of memory maps."""

import gc
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sklearn_mfavb.images import Reading, _source, open_images

STATUS = Path("/proc/self/status")


@pytest.fixture
def paths(tmp_path):
    """Write images of one gray each and return their paths."""
    paths = [tmp_path / f"{value}.png" for value in (10, 20, 30)]
    for path in paths:
        Image.new("RGB", (6, 4), (int(path.stem),) * 3).save(path)
    return paths


def grays(source):
    """Return the gray of each image."""
    return source.read([0, 1, 2], (4, 6))[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("in_memory", [True, False])
def test_files_are_read_once(paths, monkeypatch, tmp_path_factory, in_memory):
    """What was read at any size is kept at one, in memory or in a temporary file."""
    if not in_memory:
        monkeypatch.setattr(_source, "MEMORY_BYTES", 0)
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    source = open_images(paths)
    source.keep((4, 6))
    first = source.read([2, 0, 2], (4, 6))
    assert source.read([1], (9, 9)).shape == (1, 3, 9, 9)
    for path in paths:
        os.remove(path)
    again = source.read([2, 0, 2], (4, 6))
    assert torch.equal(again, first)
    again.zero_()  # a batch is a copy
    assert grays(source) == [10, 20, 30]
    source.verify((4, 6))
    with pytest.raises(FileNotFoundError):
        source.read([1], (9, 9))
    assert grays(source) == [10, 20, 30]  # another size drops nothing
    assert isinstance(source._kept, np.memmap) is not in_memory
    del source
    gc.collect()
    assert list(folder.iterdir()) == []


def test_verify_reads_what_was_not_read(paths):
    """It also fills what is kept, at the kept size."""
    source = open_images(paths)
    source.keep((4, 6))
    source.read([0], (2, 2))
    os.remove(paths[0])
    source.verify((2, 2))
    for path in paths[1:]:
        os.remove(path)
    assert grays(source) == [10, 20, 30]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs POSIX")
def test_a_full_disk_is_no_error(paths, monkeypatch):
    """Without space for a temporary file nothing is kept, and a warning says so."""

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_source, "MEMORY_BYTES", 0)
    monkeypatch.setattr(os, "posix_fallocate", fail)
    source = open_images(paths)
    with pytest.warns(UserWarning, match="No space left .*TMPDIR"):
        source.keep((4, 6))
    assert source.read([0], (4, 6)).any()


def test_arrays_are_resized_once(monkeypatch):
    """Arrays of another size are kept; those of the same size are not copied."""
    images = np.random.default_rng(0).random((5, 8, 8)).astype(np.float32)
    source = open_images(images)
    source.keep((8, 8))
    assert source._kept is None
    source.keep((4, 4))
    first = source.read(range(5), (4, 4))
    monkeypatch.setattr(source, "_load", None)
    assert torch.equal(source.read(range(5), (4, 4)), first)
    assert first.dtype == torch.float32


def test_arrays_are_read_where_they_are(tmp_path):
    """Arrays, tensors and memory maps are not copied, and batches are copies."""
    np.save(tmp_path / "images.npy", np.ones((6, 25), dtype=np.float32))
    rows = np.load(tmp_path / "images.npy", mmap_mode="r")
    images = np.ones((2, 5, 5), dtype=np.float32)
    for given, memory in (
        (rows, rows),
        (rows.reshape(6, 5, 5), rows),
        (images, images),
        (torch.from_numpy(images), images),
    ):
        source = open_images(given)
        assert np.shares_memory(source.images, memory)
        source.read([0, 1], (5, 5)).zero_()
        assert source.read([0, 1], (5, 5)).all()


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        ("crop", [[9, 9, 9, 9]] * 4),
        ("stretch", [[1, 9, 9, 1]] * 4),
        ("pad", [[0] * 4, [1, 9, 9, 1], [1, 9, 9, 1], [0] * 4]),
    ],
)
def test_geometries(resize, expected):
    """Another aspect ratio is cropped, padded or stretched, and so in predict."""
    columns = np.array([1, 1, 9, 9, 9, 9, 1, 1])[:, None].repeat(8, 1).flatten()
    wide = np.broadcast_to(columns.astype(np.uint8), (1, 32, 64))
    source = open_images(wide, reading=Reading(resize=resize))
    batch = source.read([0], (32, 32))[0, 0].numpy()
    # In the middle of 4 x 4 squares, away from edges that antialiasing softens.
    assert batch[4::8, 4::8].tolist() == expected
    new = open_images(wide, format=source.format)
    np.testing.assert_array_equal(new.read([0], (32, 32))[0, 0], batch)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (3, 7), (224, 31)])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (32, 32)])
def test_geometries_of_extreme_shapes(resize, shape, size):
    """Every shape becomes every size."""
    source = open_images(np.ones((1, *shape)), reading=Reading(resize=resize))
    batch = source.read([0], size)
    assert batch.shape == (1, 1, *size)
    assert batch.max() == pytest.approx(1)


@pytest.mark.parametrize(("dtype", "white"), [(np.float32, 1), (np.uint8, 255)])
def test_resizing_is_antialiased(dtype, white):
    """Shrinking averages: a fine chessboard becomes gray, in bytes and floats."""
    board = np.indices((16, 16)).sum(axis=0)[None] % 2 * white
    read = open_images(board.astype(dtype)).read([0], (4, 4)).numpy()
    np.testing.assert_allclose(read, white / 2, atol=0.01 * white)


def test_a_resize_of_ones_own(paths):
    """A caller brings images to a size in its own way, which is not kept."""

    def corner(images, size):
        return images[..., : size[0], : size[1]] + 1

    for X in (paths, np.full((3, 6, 8, 3), 10, dtype=np.uint8)):
        source = open_images(X)
        source.keep((3, 2))
        assert (source.read([0], (3, 2), resize=corner) == 11).all()
        assert (source.read([0], (3, 2)) == 10).all()


def resident_file_bytes():
    """Return how much of this process's memory is pages of files (Linux)."""
    [kilobytes] = re.findall(r"RssFile:\s+(\d+) kB", STATUS.read_text("ascii"))
    return int(kilobytes) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
def test_pages_of_a_map_are_released(tmp_path):
    """Checking and reading a whole map leaves little of it resident."""
    path = tmp_path / "images.npy"
    written = np.lib.format.open_memmap(path, "w+", np.float32, (512, 64, 64, 3))
    written[:] = 1
    del written
    mapped = np.load(path, mmap_mode="r")
    before = resident_file_bytes()
    source = open_images(np.asarray(mapped))
    for start in range(0, 512, 32):
        source.read(range(start, start + 32), (64, 64))
    assert resident_file_bytes() - before < mapped.nbytes / 4


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changes_of_a_map_survive(tmp_path, mode):
    """A map keeps what the user wrote into it, private or not yet flushed."""
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8), dtype=np.uint8))
    mapped = np.load(tmp_path / "images.npy", mmap_mode=mode)
    mapped[2] = 9
    open_images(mapped).read([0, 1, 2, 3], (8, 8))
    np.testing.assert_array_equal(mapped[2], 9)
