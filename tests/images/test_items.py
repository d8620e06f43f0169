"""Tests of images that come one by one: different sizes, datasets."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset, TensorDataset

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
    """Floats of different sizes stay floats, with their range checked at once."""
    images = [torch.rand(4, 6), torch.rand(8, 8)]
    source = open_images(images)
    np.testing.assert_array_equal(source.read([1], (8, 8))[0, 0], images[1])
    with pytest.raises(ValueError, match=r"image 1.*divide by 255"):
        open_images([images[0], images[1] * 255])
    with pytest.raises(ValueError, match=r"image 0.*NaN"):
        open_images([images[0] * np.nan, images[1]])
    scaled = open_images(
        [images[0], images[1] * 2], reading=Reading(pixel_range=(0, 4))
    )
    torch.testing.assert_close(scaled.read([0], (4, 6))[0, 0], images[0] / 4)


def test_learned_range_over_different_sizes():
    """With "data" the range is learned over all arrays."""
    source = open_images(
        [np.zeros((2, 2)), np.full((3, 3), 8.0)], reading=Reading(pixel_range="data")
    )
    assert source.format.pixel_range == (0.0, 8.0)
    assert source.read([0, 1], (2, 2)).unique().tolist() == [0.0, 1.0]


def test_mixed_channel_counts():
    """Arrays with different channel counts are refused with the counts."""
    with pytest.raises(ValueError, match=r"\[1, 3\]"):
        open_images([pixels(4, 6), pixels(8, 10, 3)])


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
        [torch.from_numpy(image).permute(2, 0, 1) for image in COLOR],
        [(image, 7) for image in COLOR],
        [{"image": image, "mask": image[..., 0]} for image in COLOR],
        [{"img": Image.fromarray(image), "label": 7} for image in COLOR],
    ],
    ids=["HWC", "PIL", "CHW", "tuple", "dict", "dict of another name"],
)
def test_dataset_items(items):
    """Every kind of item gives the same pixels."""
    source = open_images(Items(items))
    assert (len(source), source.n_channels, source.image_size) == (5, 3, (5, 6))
    np.testing.assert_array_equal(source.read(range(5), (5, 6)), EXPECTED)


def test_torch_datasets():
    """A torch dataset of tuples is read, floats as float32."""
    images = torch.rand(5, 1, 4, 6)
    source = open_images(TensorDataset(images, torch.arange(5)))
    torch.testing.assert_close(source.read([3, 0], (4, 6)), images[[3, 0]])


def test_iterable_datasets():
    """A dataset without items by number is refused with what is needed."""

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(COLOR)

    with pytest.raises(TypeError, match=r"Stream.*map-style"):
        open_images(Stream())


def test_few_items_are_probed():
    """Of a large color dataset only some items are read beforehand."""
    dataset = Items([Image.fromarray(COLOR[0])] * 500)
    assert open_images(dataset).n_channels == 3
    assert dataset.n_reads < 50


def test_a_late_color_picture_is_found():
    """A single color picture among many gray ones makes the source RGB."""
    items = [Image.fromarray(COLOR[0, ..., 0])] * 499
    items.insert(7, Image.fromarray(COLOR[0]))
    assert open_images(Items(items)).n_channels == 3


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


def test_late_item_with_other_channels():
    """An item with other channels than the probed ones is an error with its number."""
    items = [COLOR[0]] * 100
    items[1] = pixels(4, 6)
    with pytest.raises(ValueError, match=r"image 1: .*not have the 3 channel"):
        open_images(Items(items)).verify((4, 6))


def test_late_floats_among_bytes():
    """A float item among bytes is brought to bytes."""
    items = [COLOR[0]] * 100
    items[1] = COLOR[0] / 255
    batch = open_images(Items(items)).read([0, 1], (5, 6))
    assert batch.dtype == torch.uint8
    assert torch.equal(batch[0], batch[1])
