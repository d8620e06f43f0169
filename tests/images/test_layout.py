"""Tests of the layout rules: channel axes and image shapes."""

import numpy as np
import pytest

from sklearn_mfavb.images import Reading, open_images


def pictures(*shape: int) -> np.ndarray:
    """Return random 8-bit pixels."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read_all(source):
    """Return all images of a source at their native size, as an array."""
    return source.read(range(len(source)), source.image_size).numpy()


def test_channels_last_and_first_agree():
    """The same pictures are read the same from (n, H, W, C) and (n, C, H, W)."""
    images = pictures(3, 6, 5, 3)
    last = read_all(open_images(images))
    first = read_all(open_images(images.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(last, images.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(first, last)


@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_channel_counts(n_channels):
    """One, three and four channels are found on either axis."""
    last = open_images(pictures(2, 6, 5, n_channels))
    first = open_images(pictures(2, n_channels, 6, 5))
    for source in (last, first):
        assert source.n_channels == n_channels
        assert source.image_size == (6, 5)


def test_stack_of_grey_images():
    """(n, H, W) is a batch of grey images."""
    images = pictures(4, 6, 5)
    np.testing.assert_array_equal(read_all(open_images(images)), images[:, None])


def test_ambiguous_layout_needs_channel_axis():
    """Channels on both axes are an error that channel_axis resolves."""
    images = pictures(2, 3, 6, 3)
    with pytest.raises(ValueError, match=r"ambiguous.*channel_axis=1"):
        open_images(images)
    assert open_images(images, reading=Reading(channel_axis=1)).image_size == (6, 3)
    assert open_images(images, reading=Reading(channel_axis=-1)).image_size == (3, 6)


def test_no_channel_axis():
    """A shape without 1, 3 or 4 channels is an error that channel_axis resolves."""
    images = pictures(2, 5, 6, 7)
    with pytest.raises(ValueError, match=r"no channel axis.*channel_axis"):
        open_images(images)
    assert open_images(images, reading=Reading(channel_axis=-1)).n_channels == 7
    assert open_images(images, reading=Reading(channel_axis=1)).n_channels == 5


def test_single_colour_image():
    """An (H, W, 3) array is recognised as one image and refused."""
    with pytest.raises(ValueError, match=r"X\[None\]"):
        open_images(pictures(6, 5, 3))


@pytest.mark.parametrize("shape", [(5,), (2, 2, 2, 2, 2)])
def test_wrong_number_of_dimensions(shape):
    """One or five dimensions are neither rows nor images."""
    with pytest.raises(ValueError, match=f"{len(shape)} dimension"):
        open_images(pictures(*shape))


@pytest.mark.parametrize("shape", [(0, 4, 4), (0, 16)])
def test_no_samples(shape):
    """An empty batch is refused in scikit-learn's words."""
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        open_images(np.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 0, 4), (3, 0)])
def test_no_features(shape):
    """Images without pixels are refused in scikit-learn's words."""
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        open_images(np.zeros(shape))


def test_square_rows():
    """Rows without image_shape are square grey, else square RGB, images."""
    grey, colour = pictures(2, 36), pictures(2, 4, 4, 3)
    np.testing.assert_array_equal(read_all(open_images(grey)), grey.reshape(2, 1, 6, 6))
    np.testing.assert_array_equal(
        read_all(open_images(colour.reshape(2, -1))), colour.transpose(0, 3, 1, 2)
    )


@pytest.mark.parametrize(
    ("image_shape", "size", "n_channels"),
    [
        ((5, 6), (5, 6), 1),
        ((-1, 6), (5, 6), 1),
        ((1, -1), (1, 30), 1),
        ((2, 5, 3), (2, 5), 3),
        ((3, 2, -1), (2, 5), 3),
    ],
)
def test_rows_with_image_shape(image_shape, size, n_channels):
    """Rows are read by image_shape, with one length inferred."""
    source = open_images(pictures(2, 30), reading=Reading(image_shape=image_shape))
    assert (source.image_size, source.n_channels) == (size, n_channels)
    assert source.format.n_features == 30


def test_rows_that_fit_no_square():
    """Rows of other lengths need image_shape."""
    with pytest.raises(ValueError, match=r"24 features.*image_shape"):
        open_images(pictures(2, 24))


@pytest.mark.parametrize("image_shape", [(6, 6), (7, -1), (60, -1)])
def test_image_shape_of_another_product(image_shape):
    """A wrong image_shape is refused with both numbers."""
    with pytest.raises(ValueError, match=r"holds .*(36|7|60) numbers.*30 features"):
        open_images(pictures(2, 30), reading=Reading(image_shape=image_shape))


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_shape": (4,)},
        {"image_shape": (-1, -1)},
        {"image_shape": (0, 4)},
        {"image_shape": 16},
        {"channel_axis": 2},
        {"on_error": "ignore"},
        {"pixel_range": "max"},
        {"pixel_range": (1, 0)},
        {"pixel_range": (0, np.nan)},
        {"pixel_range": (0, 1, 2)},
    ],
)
def test_wrong_parameters(wrong):
    """A wrong parameter is refused by its name."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        open_images(pictures(2, 16), reading=Reading(**wrong))


def test_new_images_must_fit_the_format():
    """New arrays need the fitted channels, new rows the fitted length."""
    fitted = open_images(pictures(2, 6, 6, 3)).format
    with pytest.raises(ValueError, match=r"\(6, 6, 1\) do not have the 3 channel"):
        open_images(pictures(2, 6, 6, 1), format=fitted)
    with pytest.raises(ValueError, match=r"27 features.*108"):
        open_images(pictures(2, 27), format=fitted)
    larger = open_images(pictures(2, 9, 8, 3), format=fitted)
    assert larger.read([0, 1], (6, 6)).shape == (2, 3, 6, 6)
    assert larger.format == fitted


def test_new_images_keep_the_channel_axis():
    """A layout that was ambiguous at fit is read the fitted way afterwards."""
    fitted = open_images(pictures(2, 3, 6, 3), reading=Reading(channel_axis=1)).format
    assert open_images(pictures(2, 3, 4, 3), format=fitted).image_size == (4, 3)


def test_new_arrays_for_a_format_of_rows():
    """A format learned from rows reads the same pictures given as images."""
    rows = pictures(2, 36)
    fitted = open_images(rows).format
    as_images = open_images(rows.reshape(2, 6, 6), format=fitted)
    np.testing.assert_array_equal(read_all(as_images), rows.reshape(2, 1, 6, 6))
