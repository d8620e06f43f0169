"""Tests of images that come one by one: different sizes, datasets."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from sklearn_mfavb.images import Reading, open_images


class Items:
    """A map-style dataset that counts how often it is read."""

    def __init__(self, items):
        self.items = items
        self.n_reads = 0

    def __len__(self):
        """Return the number of items."""
        return len(self.items)

    def __getitem__(self, index):
        """Return an item, or raise it."""
        self.n_reads += 1
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index]


def pixels(*shape: int) -> np.ndarray:
    """Return random 8-bit pixels."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


COLOR = pixels(5, 5, 6, 3)
EXPECTED = COLOR.transpose(0, 3, 1, 2)


def test_arrays_of_different_sizes():
    """Arrays of different sizes are pictures, resized to one size."""
    images = [pixels(5, 6, 3), pixels(8, 10, 3), pixels(3, 20, 30)]
    source = open_images(images)
    assert (source.n_channels, source.image_size) == (3, (8, 10))
    batch = source.read([0, 1, 2], (8, 10))
    assert (batch.dtype, batch.shape) == (torch.uint8, (3, 3, 8, 10))
    np.testing.assert_array_equal(batch[1].permute(1, 2, 0), images[1])


def test_float_arrays_of_different_sizes():
    """Floats of different sizes stay floats, in the range that is given or learned."""
    images = [torch.rand(4, 6), torch.rand(8, 8)]
    np.testing.assert_array_equal(
        open_images(images).read([1], (8, 8))[0, 0], images[1]
    )
    given = open_images([4 * images[0], images[1]], reading=Reading(pixel_range=(0, 4)))
    torch.testing.assert_close(given.read([0], (4, 6))[0, 0], images[0])
    learned = open_images(
        [np.zeros((2, 2)), np.full((3, 3), 8.0)], reading=Reading(pixel_range="data")
    )
    assert learned.format.pixel_range == (0.0, 8.0)
    assert learned.read([0, 1], (2, 2)).unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.ones((4, 6)), np.full((8, 8), 255.0)], "image 1.*divide by 255"),
        ([np.full((4, 6), np.nan), np.ones((8, 8))], "image 0.*NaN"),
        ([pixels(4, 6), pixels(8, 10, 3)], r"\[1, 3\]"),
    ],
)
def test_arrays_that_are_refused(images, message):
    """Values that are no pixels, and different channels, are errors at once."""
    with pytest.raises(ValueError, match=message):
        open_images(images)


def test_other_channels_than_fitted():
    """New arrays of different sizes need the fitted channels."""
    fitted = open_images(COLOR).format
    with pytest.raises(ValueError, match=r"image 0.*not have the 3 channel"):
        open_images([pixels(5, 6, 1), pixels(8, 6, 1)], format=fitted)


@pytest.mark.parametrize(
    "items",
    [
        list(COLOR),
        [Image.fromarray(image) for image in COLOR],
        TensorDataset(torch.from_numpy(EXPECTED), torch.arange(5)),
        [{"image": image, "mask": image[..., 0]} for image in COLOR],
        [{"img": Image.fromarray(image), "label": 7} for image in COLOR],
    ],
    ids=["arrays", "PIL", "tuples", "dict", "dict of another name"],
)
def test_dataset_items(items):
    """Every kind of item gives the same pixels."""
    source = open_images(Items(items))
    assert (len(source), source.n_channels, source.image_size) == (5, 3, (5, 6))
    np.testing.assert_array_equal(source.read(range(5), (5, 6)), EXPECTED)


@pytest.mark.parametrize("n_gray", [0, 499])
def test_items_are_probed(n_gray):
    """Of color images some are read beforehand; gray ones have to be so all."""
    color, gray = Image.fromarray(COLOR[0]), Image.fromarray(COLOR[0, ..., 0])
    items = [gray] * n_gray + [color] * (500 - n_gray)
    items.insert(7, color)
    dataset = Items(items)
    assert open_images(dataset).n_channels == 3
    assert n_gray or dataset.n_reads < 50


def test_datasets_are_not_kept():
    """A dataset may come out changed every time, so it is read every time."""
    dataset = Items(list(COLOR))
    source = open_images(dataset)
    source.keep((4, 6))
    before = dataset.n_reads
    source.read([0], (4, 6))
    source.read([0], (4, 6))
    assert dataset.n_reads == before + 2


def test_broken_items():
    """Items that raise are errors with their number, or zeros."""
    items = [COLOR[0], RuntimeError("disk on fire"), COLOR[2]]
    with pytest.raises(ValueError, match="image 1: RuntimeError: disk on fire"):
        open_images(Items(items))
    source = open_images(Items(items), reading=Reading(on_error="skip"))
    batch = source.read(range(3), (5, 6))
    assert "disk on fire" in source.unreadable[1]
    assert not batch[1].any()
    np.testing.assert_array_equal(batch[::2], EXPECTED[:3:2])


@pytest.mark.parametrize(
    ("item", "seen"),
    [
        (3, "type int"),
        ({"label": 3}, r"dict of \['label'\].*under 'image'"),
        ({"a": COLOR[0], "b": COLOR[1]}, r"dict of \['a', 'b'\]"),
        ({"image": None}, "type NoneType"),
    ],
)
def test_items_that_are_no_images(item, seen):
    """An item without one image is named with what it is."""
    with pytest.raises(TypeError, match=rf"image 0.*{seen}"):
        open_images(Items([item]))


def test_late_items():
    """Floats among bytes are brought to bytes; other channels are an error."""
    items = [COLOR[0]] * 100
    items[1] = COLOR[0] / 255
    batch = open_images(Items(items)).read([0, 1], (5, 6))
    assert batch.dtype == torch.uint8
    assert torch.equal(batch[0], batch[1])
    items[1] = pixels(4, 6)
    with pytest.raises(ValueError, match=r"image 1: .*not have the 3 channel"):
        open_images(Items(items)).verify((4, 6))
