"""Views are those that the estimator would draw."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

from sklearn_mfavb import MFAVBClustering, Reading
from sklearn_mfavb.inspection import ViewsDisplay


@pytest.fixture
def photos():
    """Twelve random color pictures, wider than high."""
    return np.random.default_rng(0).integers(256, size=(12, 8, 10, 3), dtype=np.uint8)


def test_broken_files_are_passed_over(photos, tmp_path):
    """Without augmentation image and views are one, of all files that can be read."""
    for index, photo in enumerate(photos[:4]):
        Image.fromarray(photo).save(tmp_path / f"{index}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    clusterer = MFAVBClustering(
        2, reading=Reading(on_error="skip"), augmentation="none"
    )
    display = ViewsDisplay.from_estimator(clusterer, tmp_path, n_images=9, n_views=1)
    assert_array_equal(display.images, photos[[0, 2, 3]])
    assert_array_equal(np.squeeze(display.first, 1), display.images)
    assert_array_equal(np.squeeze(display.second, 1), display.images)


def test_each_kind_of_view_has_its_augmentation(photos):
    """A pair of callables makes the first and the second view."""
    pair = (lambda images: images * 0, lambda images: images * 0 + 1)
    clusterer = MFAVBClustering(2, augmentation=pair)
    display = ViewsDisplay.from_estimator(clusterer, photos, n_images=3, n_views=2)
    assert len(display.images) == 3
    assert_array_equal(display.first, np.zeros((3, 2, 8, 10, 3)))
    assert_array_equal(display.second, np.full((3, 2, 8, 10, 3), 255))


def test_views_are_drawn_by_the_seed(photos):
    """A seed draws the same views again; estimator and torch's state stay."""
    clusterer = MFAVBClustering(2)
    state, before = torch.random.get_rng_state(), dict(vars(clusterer))
    first, again, other = (
        np.asarray(ViewsDisplay.from_estimator(clusterer, photos, random_state=n).first)
        for n in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert vars(clusterer) == before
    assert_array_equal(first, again)
    assert (first != other).any()


def test_size_is_that_of_the_network(fitted, photos):
    """Images have the size that the estimator was fitted with, or would be."""
    larger = np.zeros((3, 20, 30), np.uint8)
    assert ViewsDisplay.from_estimator(fitted, larger).images[0].size == (8, 8)
    clusterer = MFAVBClustering(2, image_size=(6, 5))
    assert ViewsDisplay.from_estimator(clusterer, photos).images[0].size == (5, 6)


def test_features_alone_have_no_picture(photos):
    """The error says what would have pictures."""
    clusterer = MFAVBClustering(2, encoder="precomputed")
    with pytest.raises(ValueError, match="use_pixels=True"):
        ViewsDisplay.from_estimator(clusterer, photos)
    clusterer.set_params(use_pixels=True)
    assert ViewsDisplay.from_estimator(clusterer, photos).images


def test_wrong_parameters_are_found(photos):
    """An estimator that `fit` would refuse is refused here."""
    with pytest.raises(ValueError, match="augmentation"):
        ViewsDisplay.from_estimator(MFAVBClustering(2, augmentation="loud"), photos)
    with pytest.raises(ValueError, match="n_views == 0"):
        ViewsDisplay.from_estimator(MFAVBClustering(2), photos, n_views=0)
