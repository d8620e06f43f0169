"""Thumbnails show images as people see them."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.images import Reading, open_images
from sklearn_mfavb.inspection import read_thumbnails


def thumbnail(images, side=8, format=None, **options):
    """Read the thumbnail of the first image."""
    source = open_images(images, format=format, reading=Reading(**options))
    return read_thumbnails(source, [0], side=side)[0]


def test_images_are_not_distorted(tmp_path):
    """The longest side is what was asked for, the other follows, in every file."""
    assert thumbnail(np.zeros((1, 40, 20, 3), np.uint8)).size == (4, 8)
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    Image.new("RGB", (10, 30), "red").save(tmp_path / "b.png")
    found = read_thumbnails(open_images(tmp_path), [1, 0], side=10)
    assert (found[0].size, found[1].size) == ((10, 5), (3, 10))


def test_small_images_are_left_alone():
    """Pixels of small images arrive as they are."""
    images = np.arange(30, dtype=np.uint8).reshape(1, 6, 5)
    picture = thumbnail(images)
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), images[0])


@pytest.mark.parametrize(
    ("n_channels", "mode", "first_pixel"),
    [(1, "L", 10), (2, "L", 15), (3, "RGB", (10, 20, 30)), (5, "RGB", (10, 20, 30))],
)
def test_any_number_of_channels_can_be_shown(n_channels, mode, first_pixel):
    """Two channels are averaged, and of many the first three are shown."""
    channels = 10 * np.arange(1, n_channels + 1, dtype=np.uint8)
    images = np.broadcast_to(channels, (1, 4, 6, n_channels))
    picture = thumbnail(images, channel_axis=-1)
    assert picture.mode == mode
    assert picture.getpixel((0, 0)) == first_pixel


def test_values_beyond_black_and_white_are_clipped():
    """New images beyond the range that was learned do not wrap around."""
    known = np.array([[[0.0, 1.0], [0.5, 0.5]]])
    fitted = open_images(known, reading=Reading(pixel_range="data")).format
    picture = thumbnail(np.array([[[-3.0, 9.0], [0.5, 1.0]]]), format=fitted)
    np.testing.assert_array_equal(np.asarray(picture), [[0, 255], [128, 255]])
