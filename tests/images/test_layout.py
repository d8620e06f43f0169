"""Tests of the layout rules: channel axes and image shapes."""

import numpy as np
import pytest

from sklearn_mfavb.images import Reading, open_images


def pixels(*shape: int) -> np.ndarray:
    """Return random 8-bit pixels."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read_all(source):
    """Return all images of a source at their native size, as an array."""
    return source.read(range(len(source)), source.image_size).numpy()


@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_channels_are_found_on_either_axis(n_channels):
    """The same images are read the same from (n, H, W, C) and (n, C, H, W)."""
    images = pixels(3, 6, 5, n_channels)
    first = images.transpose(0, 3, 1, 2)
    for source in (open_images(images), open_images(first)):
        assert (source.n_channels, source.image_size) == (n_channels, (6, 5))
        np.testing.assert_array_equal(read_all(source), first)


def test_stack_of_grayscale_images():
    """(n, H, W) is a batch of grayscale images."""
    images = pixels(4, 6, 5)
    np.testing.assert_array_equal(read_all(open_images(images)), images[:, None])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 6, 3), "have 2 axes.*channel_axis=1"),
        ((2, 5, 6, 7), "have no axes.*channel_axis=1"),
    ],
)
def test_channel_axis_resolves_what_the_shape_does_not(shape, message):
    """Channels on both axes, or on none, are an error that channel_axis resolves."""
    images = pixels(*shape)
    with pytest.raises(ValueError, match=message):
        open_images(images)
    first = open_images(images, reading=Reading(channel_axis=1))
    last = open_images(images, reading=Reading(channel_axis=-1))
    assert (first.n_channels, first.image_size) == (shape[1], shape[2:])
    assert (last.n_channels, last.image_size) == (shape[3], shape[1:3])


def test_single_color_image():
    """An (H, W, 3) array is recognized as one image and refused."""
    with pytest.raises(ValueError, match=r"X\[None\]"):
        open_images(pixels(6, 5, 3))


def test_square_rows():
    """Rows without image_shape are square grayscale, else square RGB, images."""
    gray, color = pixels(2, 36), pixels(2, 4, 4, 3)
    np.testing.assert_array_equal(read_all(open_images(gray)), gray.reshape(2, 1, 6, 6))
    np.testing.assert_array_equal(
        read_all(open_images(color.reshape(2, -1))), color.transpose(0, 3, 1, 2)
    )


@pytest.mark.parametrize(
    ("image_shape", "size", "n_channels"),
    [
        ((5, 6), (5, 6), 1),
        ((-1, 6), (5, 6), 1),
        ((2, 5, 3), (2, 5), 3),
        ((3, 2, -1), (2, 5), 3),
    ],
)
def test_rows_with_image_shape(image_shape, size, n_channels):
    """Rows are read by image_shape, with one length inferred."""
    source = open_images(pixels(2, 30), reading=Reading(image_shape=image_shape))
    assert (source.image_size, source.n_channels) == (size, n_channels)


def test_rows_that_are_no_square():
    """The error for other rows leads to image_shape and to precomputed features."""
    with pytest.raises(
        ValueError, match=r'24 features.*Reading\(image_shape=.*encoder="precomputed"'
    ):
        open_images(pixels(2, 24))


@pytest.mark.parametrize("n_features", [768, 512 * 512 // 256])
def test_square_rows_that_look_like_features(n_features):
    """Values outside [0, 1] in square rows lead to precomputed features too."""
    rows = np.random.default_rng(0).normal(size=(4, n_features))
    with pytest.raises(ValueError, match=r'pixel_range=.*encoder="precomputed"'):
        open_images(rows)


@pytest.mark.parametrize("image_shape", [(6, 6), (7, -1), (60, -1)])
def test_image_shape_of_another_product(image_shape):
    """A wrong image_shape is refused with both numbers."""
    with pytest.raises(
        ValueError, match=r"30 features.*image_shape=.*holds .*(36|7|60) numbers"
    ):
        open_images(pixels(2, 30), reading=Reading(image_shape=image_shape))


def test_new_images_must_fit_the_format():
    """New arrays need the fitted channels, new rows the fitted length."""
    fitted = open_images(pixels(2, 6, 6, 3)).format
    with pytest.raises(ValueError, match=r"\(6, 6, 1\) do not have the 3 channel"):
        open_images(pixels(2, 6, 6, 1), format=fitted)
    with pytest.raises(ValueError, match=r"27 features.*108"):
        open_images(pixels(2, 27), format=fitted)
    larger = open_images(pixels(2, 9, 8, 3), format=fitted)
    assert larger.read([0, 1], (6, 6)).shape == (2, 3, 6, 6)
    assert larger.format == fitted


def test_new_images_keep_the_channel_axis():
    """A layout that was ambiguous at fit is read the fitted way afterwards."""
    fitted = open_images(pixels(2, 3, 6, 3), reading=Reading(channel_axis=1)).format
    assert open_images(pixels(2, 3, 4, 3), format=fitted).image_size == (4, 3)


def test_new_arrays_for_a_format_of_rows():
    """A format learned from rows reads the same images given as images."""
    rows = pixels(2, 36)
    fitted = open_images(rows).format
    as_images = open_images(rows.reshape(2, 6, 6), format=fitted)
    np.testing.assert_array_equal(read_all(as_images), rows.reshape(2, 1, 6, 6))
