"""Tests of the sets that torchvision loads, on tiny files and stand-ins."""

import bz2
import struct

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.datasets import load_images
from sklearn_mfavb.datasets._classes import CIFAR_100_SUPERCLASSES

pytestmark = pytest.mark.filterwarnings("ignore:.* in the literature, but")


def test_usps_splits_are_merged(tmp_path):
    """Torchvision's files of USPS give train, then test, as 8-bit digits."""
    for file, lines in {"usps.bz2": [(3, -1), (1, 1)], "usps.t.bz2": [(10, 0)]}.items():
        rows = [
            f"{label} " + " ".join(f"{i}:{value}" for i in range(1, 257))
            for label, value in lines
        ]
        (tmp_path / file).write_bytes(bz2.compress("\n".join(rows).encode()))
    labelled = load_images("usps", tmp_path)
    assert labelled.images.shape == (3, 16, 16)
    assert labelled.images.dtype == np.uint8
    assert labelled.images[:, 0, 0].tolist() == [0, 255, 127]
    assert labelled.target.tolist() == [2, 0, 9]
    assert labelled.target_names[9] == "9"
    assert "torchvision's USPS" in labelled.source


def test_fashion_mnist_tensors_become_arrays(tmp_path):
    """Sets that torchvision keeps as tensors come as arrays, with their names."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, labels in {"train": [4, 9], "t10k": [0]}.items():
        n = len(labels)
        pixels = bytes([7] * n * 28 * 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(
            struct.pack(">iiii", 0x803, n, 28, 28) + pixels
        )
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(
            struct.pack(">ii", 0x801, n) + bytes(labels)
        )
    labelled = load_images("fashion_mnist", tmp_path)
    assert isinstance(labelled.images, np.ndarray)
    assert labelled.images.shape == (3, 28, 28)
    assert labelled.images.dtype == np.uint8
    assert labelled.target.dtype == np.int64
    assert labelled.target.tolist() == [4, 9, 0]
    assert labelled.target_names[0] == "T-shirt/top"


@pytest.mark.parametrize(
    ("name", "folder", "lists"),
    [("eurosat", "eurosat/2750", None), ("dtd", "dtd/dtd/images", "dtd/dtd/labels")],
)
def test_files_come_from_all_splits(name, folder, lists, tmp_path):
    """Torchvision's own folders are not taken for classes; all class folders are."""
    for kind in ("banded", "woven"):
        (tmp_path / folder / kind).mkdir(parents=True)
        for number in (1, 2):
            Image.new("RGB", (2, 2)).save(tmp_path / folder / kind / f"{number}.jpg")
    if lists:
        (tmp_path / lists).mkdir()
        (tmp_path / lists / "train1.txt").write_text("banded/1.jpg\nwoven/1.jpg\n")
    labelled = load_images(name, tmp_path)
    assert labelled.target.tolist() == [0, 0, 1, 1]
    assert labelled.target_names == ["banded", "woven"]
    assert labelled.images[3] == str(tmp_path / folder / "woven" / "2.jpg")


def test_cifar_100_has_superclasses(tmp_path, monkeypatch):
    """Fine labels of torchvision become the labels of their superclasses."""

    class FineClasses:
        """Stands in for torchvision's set, whose files are checked by their hash."""

        classes = sorted(" ".join(CIFAR_100_SUPERCLASSES.values()).split())

        def __init__(self, root, train, download):
            names = ["willow_tree", "beaver"] if train else ["tractor"]
            self.data = np.zeros((len(names), 32, 32, 3), dtype=np.uint8)
            self.targets = [self.classes.index(name) for name in names]

    monkeypatch.setattr("torchvision.datasets.CIFAR100", FineClasses)
    labelled = load_images("cifar100_20", tmp_path)
    assert labelled.images.shape == (3, 32, 32, 3)
    names = [labelled.target_names[label] for label in labelled.target]
    assert names == ["trees", "aquatic_mammals", "vehicles_2"]
    assert len(labelled.target_names) == 20


def test_stl_10_has_channels_last_and_download_is_passed_on(tmp_path, monkeypatch):
    """Channels move to the end; root, splits and download reach torchvision."""
    calls = []

    class ChannelsFirst:
        """Stands in for torchvision's set, whose files are checked by their hash."""

        classes = ("airplane", "bird")

        def __init__(self, root, split, download):
            calls.append((root, split, download))
            self.data = np.zeros((1, 3, 96, 96), dtype=np.uint8)
            self.data[0, 2] = 9
            self.labels = np.array([1], dtype=np.uint8)

    monkeypatch.setattr("torchvision.datasets.STL10", ChannelsFirst)
    labelled = load_images("stl10", tmp_path, download=True)
    root = str(tmp_path)
    assert calls == [(root, "train", True), (root, "test", True)]
    assert labelled.images.shape == (2, 96, 96, 3)
    assert labelled.images[0, 0, 0].tolist() == [0, 0, 9]
    assert labelled.target.tolist() == [1, 1]
    assert labelled.target.dtype == np.int64


def test_failed_downloads_are_not_hidden(tmp_path, monkeypatch):
    """With download=True, torchvision's own error reaches the user."""

    def fail(**kwargs):
        raise RuntimeError("the server is down")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fail)
    with pytest.raises(RuntimeError, match="the server is down"):
        load_images("cifar10", tmp_path, download=True)
    with pytest.raises(FileNotFoundError, match="torchvision says: the server is down"):
        load_images("cifar10", tmp_path)
