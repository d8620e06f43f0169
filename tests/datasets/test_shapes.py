"""Tests of the small labeled images."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from sklearn_mfavb.datasets import load_digit_images, make_shape_images


@pytest.mark.parametrize(
    ("n_channels", "shape"), [(1, (10, 12, 12)), (3, (10, 12, 12, 3))]
)
def test_shape_and_type(n_channels, shape):
    """Images are uint8, with a channel axis only if there are three channels."""
    images, labels = make_shape_images(10, image_size=12, n_channels=n_channels)
    assert images.shape == shape
    assert images.dtype == np.uint8
    assert labels.shape == (10,)
    assert labels.dtype == np.int64


def test_classes_are_balanced_and_shuffled():
    """Every kind of shape comes equally often, up to one image, in no order."""
    _, labels = make_shape_images(26, n_clusters=8, random_state=0)
    counts = np.bincount(labels)
    assert counts.tolist() == [4, 4, 3, 3, 3, 3, 3, 3]
    assert (np.diff(labels) < 0).sum() > 5


def test_same_seed_same_images():
    """An int fixes images and labels; another int gives others."""
    images, labels = make_shape_images(20, random_state=3)
    again, labels_again = make_shape_images(20, random_state=3)
    other, _ = make_shape_images(20, random_state=4)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert (images != other).any()


@pytest.mark.parametrize("image_size", [8, 9, 16, 33])
def test_shapes_stay_inside_and_differ(image_size):
    """Each clean image has two levels, and no two of a kind need be the same."""
    images, labels = make_shape_images(
        80, n_clusters=8, image_size=image_size, noise=0, random_state=0
    )
    assert all(len(np.unique(image)) == 2 for image in images)
    light = images >= 128
    assert (light.mean(axis=(1, 2)) > 0.08).all()
    assert (light.mean(axis=(1, 2)) < 0.9).all()
    for label in range(8):
        assert len(np.unique(light[labels == label], axis=0)) > 1


def test_noise_is_of_the_stated_size():
    """The spread within the dark ground is the noise asked for, in units of white."""
    clean, _ = make_shape_images(40, noise=0, random_state=0)
    noisy, _ = make_shape_images(40, noise=0.05, random_state=0)
    middle = (clean > 60) & (clean < 190)  # clear of the cut at black and white
    difference = noisy[middle] / 255 - clean[middle] / 255
    assert difference.std() == pytest.approx(0.05, abs=0.005)


def test_shapes_can_be_told_apart_but_not_by_pixel_distance():
    """A classifier learns all eight shapes; k-means on pixels does not find them."""
    images, labels = make_shape_images(800, n_clusters=8, random_state=0)
    pixels = images.reshape(800, -1) / 255
    assert cross_val_score(SVC(C=10), pixels, labels, cv=3).mean() > 0.8
    clusters = KMeans(8, n_init=3, random_state=0).fit_predict(pixels)
    assert adjusted_rand_score(labels, clusters) < 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_samples", 0),
        ("n_clusters", 9),
        ("n_clusters", 0),
        ("image_size", 7),
        ("n_channels", 2),
        ("noise", -0.1),
        ("random_state", "seed"),
    ],
)
def test_values_out_of_range_are_named(name, value):
    """A parameter out of range raises ValueError with its name."""
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        make_shape_images(**{name: value})


def test_digits_are_those_of_scikit_learn():
    """Black is 0, white is 255, and the original levels can be had back."""
    images, labels = load_digit_images()
    digits = load_digits()
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    np.testing.assert_array_equal(np.round(images / 255 * 16), digits.images)
    np.testing.assert_array_equal(labels, digits.target)
