"""Views are those that the estimator would draw."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.inspection import ViewsDisplay


@pytest.fixture
def photos():
    """Twelve random color pictures, wider than high."""
    return np.random.default_rng(0).integers(256, size=(12, 8, 10, 3), dtype=np.uint8)


def test_first_column_is_the_image(photos):
    """Without augmentation, image and views are one."""
    display = ViewsDisplay.from_estimator(
        MFAVBClustering(2, augmentation="none"), photos[:2], n_views=1
    )
    for image, (first,), (second,), photo in zip(
        display.images, display.first, display.second, photos, strict=False
    ):
        assert_array_equal(image, photo)
        assert_array_equal(first, photo)
        assert_array_equal(second, photo)


def test_each_kind_of_view_has_its_augmentation(photos):
    """A pair of callables makes the first and the second view."""
    pair = (lambda images: images * 0, lambda images: images * 0 + 1)
    display = ViewsDisplay.from_estimator(
        MFAVBClustering(2, augmentation=pair), photos, n_images=3, n_views=2
    )
    assert len(display.images) == len(display.first) == 3
    assert np.unique([np.asarray(view) for view in display.first[0]]) == [0]
    assert np.unique([np.asarray(view) for view in display.second[2]]) == [255]


def test_views_are_drawn_by_the_seed(photos):
    """The same seed draws the same views, and leaves torch's own state alone."""
    state = torch.random.get_rng_state()
    draws = [
        ViewsDisplay.from_estimator(MFAVBClustering(2), photos, random_state=seed)
        for seed in (3, 3, 4)
    ]
    assert torch.equal(torch.random.get_rng_state(), state)
    pixels = [np.asarray(display.first[0][0]) for display in draws]
    assert_array_equal(pixels[0], pixels[1])
    assert (pixels[0] != pixels[2]).any()


def test_unfitted_estimators_stay_unfitted(photos):
    """Looking leaves no trace in the estimator."""
    clusterer = MFAVBClustering(2)
    before = dict(vars(clusterer))
    ViewsDisplay.from_estimator(clusterer, photos)
    assert vars(clusterer) == before


def test_fitted_estimators_show_their_own_size(fitted):
    """New images are shown as the network sees them."""
    larger = np.zeros((3, 20, 30), np.uint8)
    display = ViewsDisplay.from_estimator(fitted, larger)
    assert display.images[0].size == (8, 8)


def test_size_before_a_fit_is_that_of_the_fit(photos):
    """`image_size` is heeded."""
    clusterer = MFAVBClustering(2, image_size=(6, 5))
    assert ViewsDisplay.from_estimator(clusterer, photos).images[0].size == (5, 6)


def test_broken_files_are_passed_over(photos, tmp_path):
    """With `on_error="skip"` other images take their place."""
    for index, photo in enumerate(photos[:4]):
        Image.fromarray(photo).save(tmp_path / f"{index}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    display = ViewsDisplay.from_estimator(
        MFAVBClustering(2, on_error="skip", augmentation="none"), tmp_path, n_images=9
    )
    for image, index in zip(display.images, (0, 2, 3), strict=True):
        assert_array_equal(image, photos[index])


def test_features_alone_have_no_picture(photos):
    """The error says what would have pictures."""
    clusterer = MFAVBClustering(2, clip="precomputed")
    with pytest.raises(ValueError, match="image_tokens=True"):
        ViewsDisplay.from_estimator(clusterer, photos)
    clusterer.set_params(image_tokens=True)
    assert ViewsDisplay.from_estimator(clusterer, photos).images


def test_wrong_parameters_are_found(photos):
    """An estimator that `fit` would refuse is refused here."""
    with pytest.raises(ValueError, match="augmentation"):
        ViewsDisplay.from_estimator(MFAVBClustering(2, augmentation="loud"), photos)
    with pytest.raises(ValueError, match="n_views == 0"):
        ViewsDisplay.from_estimator(MFAVBClustering(2), photos, n_views=0)
