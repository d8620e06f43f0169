"""The benchmarks' image sets: the table, and loaders on tiny files and stand-ins."""

import bz2
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.datasets import load_digit_images

pytestmark = pytest.mark.filterwarnings("ignore:.* in the literature, but")


@pytest.fixture
def image_sets(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return pytest.importorskip("image_sets")


def put_images(folder, kinds, *names):
    """Write images of the same names for every kind."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (2, 2)).save(folder / kind / name)


def test_table_and_classes_are_consistent(image_sets):
    """Every loader and list of classes has a row, and numbers agree."""
    table = image_sets.read_table()
    assert {*image_sets.LOADERS, *image_sets.CATEGORIES, "digits"} <= table.keys()
    assert len({row["title"] for row in table.values()}) == len(table) == 21
    for name, row in table.items():
        n_images, n_classes = (
            int(row[k].split()[0]) for k in ("n_images", "n_classes")
        )
        assert n_images >= 10 * n_classes
        assert row["protocol"] and row["owner"]
        synsets = image_sets.CATEGORIES.get(name)
        if synsets is not None:
            assert len(synsets) == n_classes == len(set(synsets.values()))
            assert list(synsets) == sorted(synsets)
            assert synsets["n02085936"] == "Maltese dog"  # the class in both


def test_file_goes_before_folder_and_folder_before_torchvision(image_sets, tmp_path):
    """What is there is read; other numbers than the literature's are told."""
    put_images(tmp_path / "usps", ["cat", "dog"], "1.png")
    with pytest.warns(UserWarning, match=r"USPS has 9298 images of 10 .* 2 of 2"):
        labeled = image_sets.load_image_set("usps", tmp_path)
    assert labeled.target_names == ["cat", "dog"]
    arrays = {"images": np.zeros((3, 4, 4), dtype=np.uint8), "labels": [1, 0, 1]}
    np.savez(tmp_path / "usps.npz", **arrays)
    labeled = image_sets.load_image_set("usps", tmp_path)
    assert labeled.target.tolist() == [1, 0, 1]


def test_imagenet_subset_is_picked_from_a_larger_collection(image_sets, tmp_path):
    synsets = [*image_sets.IMAGENET_10, "n01440764"]
    put_images(tmp_path / "imagenet10", synsets, "a.png")
    labeled = image_sets.load_image_set("imagenet10", tmp_path)
    assert labeled.target.tolist() == list(range(10))
    assert labeled.target_names[0] == "king penguin"


def test_digits_need_no_folder(image_sets, recwarn):
    """The digits come with scikit-learn, and are the whole set of the literature."""
    labeled = image_sets.load_image_set("digits", None)
    np.testing.assert_array_equal(labeled.images, load_digit_images()[0])
    assert labeled.target_names == [str(digit) for digit in range(10)]
    assert len(recwarn) == 0
    with pytest.raises(ValueError, match="data_dir=None"):
        image_sets.load_image_set("usps", None)


@pytest.mark.parametrize("name", ["cifar10", "imagenet10", "aid", "unknown"])
def test_absence_says_how_to_obtain(name, image_sets, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"No file {name}\.npz") as caught:
        image_sets.load_image_set(name, tmp_path)
    row = image_sets.read_table().get(name)
    assert (row["owner"] if row else "cifar10, ") in str(caught.value)


def test_usps_splits_are_merged(image_sets, tmp_path):
    for file, lines in {"usps.bz2": [(3, -1), (1, 1)], "usps.t.bz2": [(10, 0)]}.items():
        rows = "".join(
            f"{label} {' '.join(f'{i}:{value}' for i in range(1, 257))}\n"
            for label, value in lines
        )
        (tmp_path / file).write_bytes(bz2.compress(rows.encode()))
    labeled = image_sets.load_image_set("usps", tmp_path)
    assert labeled.images.shape == (3, 16, 16)
    assert labeled.images.dtype == np.uint8
    assert labeled.images[:, 0, 0].tolist() == [0, 255, 127]
    assert labeled.target.tolist() == [2, 0, 9]
    assert labeled.target_names[9] == "9"
    assert "torchvision's USPS" in labeled.source


def test_fashion_mnist_tensors_become_arrays(image_sets, tmp_path):
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
    labeled = image_sets.load_image_set("fashion_mnist", tmp_path)
    assert isinstance(labeled.images, np.ndarray)
    assert labeled.images.shape == (3, 28, 28)
    assert labeled.images.dtype == np.uint8
    assert labeled.target.dtype == np.int64
    assert labeled.target.tolist() == [4, 9, 0]
    assert labeled.target_names[0] == "T-shirt/top"


@pytest.mark.parametrize(
    ("name", "folder", "lists"),
    [("eurosat", "eurosat/2750", None), ("dtd", "dtd/dtd/images", "dtd/dtd/labels")],
)
def test_files_come_from_all_splits(name, folder, lists, image_sets, tmp_path):
    """Torchvision's own folders are not taken for classes; all class folders are."""
    put_images(tmp_path / folder, ["banded", "woven"], "1.jpg", "2.jpg")
    if lists:
        (tmp_path / lists).mkdir()
        (tmp_path / lists / "train1.txt").write_text("banded/1.jpg\nwoven/1.jpg\n")
    labeled = image_sets.load_image_set(name, tmp_path)
    assert labeled.target.tolist() == [0, 0, 1, 1]
    assert labeled.target_names == ["banded", "woven"]
    assert labeled.images[3] == str(tmp_path / folder / "woven" / "2.jpg")


def test_cifar_100_has_twenty_superclasses_of_five(image_sets, tmp_path, monkeypatch):
    members = [each.split() for each in image_sets.CIFAR_100_SUPERCLASSES.values()]
    assert [len(each) for each in members] == [5] * 20

    class FineClasses:
        """Stands in for torchvision's set, whose files are checked by their hash."""

        classes = sorted({fine for each in members for fine in each})

        def __init__(self, root, train, download):
            names = ["willow_tree", "beaver"] if train else ["tractor"]
            self.data = np.zeros((len(names), 32, 32, 3), dtype=np.uint8)
            self.targets = [self.classes.index(name) for name in names]

    monkeypatch.setattr("torchvision.datasets.CIFAR100", FineClasses)
    labeled = image_sets.load_image_set("cifar100_20", tmp_path)
    assert labeled.images.shape == (3, 32, 32, 3)
    names = [labeled.target_names[label] for label in labeled.target]
    assert names == ["trees", "aquatic_mammals", "vehicles_2"]
    assert labeled.target_names == sorted(image_sets.CIFAR_100_SUPERCLASSES)
    assert len(FineClasses.classes) == 100
    train = image_sets.load_image_set("cifar100_20_train", tmp_path)
    assert train.target.tolist() == labeled.target[:2].tolist()


def test_stl_10_has_channels_last_and_download_is_passed_on(
    image_sets, tmp_path, monkeypatch
):
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
    labeled = image_sets.load_image_set("stl10", tmp_path, download=True)
    root = str(tmp_path)
    assert calls == [(root, "train", True), (root, "test", True)]
    assert labeled.images.shape == (2, 96, 96, 3)
    assert labeled.images[0, 0, 0].tolist() == [0, 0, 9]
    assert labeled.target.tolist() == [1, 1]
    assert labeled.target.dtype == np.int64
    assert len(image_sets.load_image_set("stl10_train", tmp_path).images) == 1


def test_failed_downloads_are_not_hidden(image_sets, tmp_path, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("the server is down")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fail)
    with pytest.raises(RuntimeError, match="the server is down"):
        image_sets.load_image_set("cifar10", tmp_path, download=True)
    with pytest.raises(FileNotFoundError, match="torchvision says: the server is down"):
        image_sets.load_image_set("cifar10", tmp_path)
