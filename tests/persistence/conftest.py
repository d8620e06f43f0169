"""Small estimators of every kind, to save and load."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

import sklearn_mfavb
from sklearn_mfavb.backbones import ConvStemViT, ViT
from sklearn_mfavb.datasets import make_shape_images


def tiny_backbone(*, image_size, **shape):
    """Build a transformer of one layer, 16 wide, for images of 8 pixels."""
    grid_size = None if image_size is None else (2, 2)
    sizes = {"patch_size": 4, "embed_dim": 16, "n_heads": 2, "depth": 1}
    return ConvStemViT(grid_size, **sizes, **shape)


def same_value(one, other):
    """Compare values of any type, and the types."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(
            one, other, one.dtype.kind == "f"
        )
    if isinstance(one, BaseEstimator):
        return repr(one) == repr(other)
    return type(one) is type(other) and one == other


def same(loaded, fitted, X, **features):
    """Compare everything that two estimators say and hold."""
    assert type(loaded) is type(fitted)
    for method in ("predict", "predict_proba", "transform"):
        theirs = getattr(fitted, method)(X, **features)
        assert_array_equal(getattr(loaded, method)(X, **features), theirs)
    mine, its = vars(loaded), vars(fitted)
    assert mine.keys() == its.keys()
    differing = [k for k in its if k != "model_" and not same_value(mine[k], its[k])]
    assert not differing
    for part in ("network", "assigner"):
        assert type(getattr(mine["model_"], part)) is type(getattr(its["model_"], part))


@pytest.fixture
def reload(tmp_path):
    """Return a function that saves and loads."""

    def save_and_load(fitted, **options):
        fitted.save(tmp_path / "model")
        return sklearn_mfavb.load(tmp_path / "model", **options)

    return save_and_load


@pytest.fixture
def assert_kept(reload):
    """Save and load, and compare everything that both estimators say and hold."""

    def compare(fitted, X, *, backbone=None, **features):
        same(reload(fitted, backbone=backbone), fitted, X, **features)

    return compare


@pytest.fixture(scope="session")
def images():
    """Forty grayscale pictures of three kinds of shapes, 8 pixels a side."""
    return make_shape_images(40, n_clusters=3, image_size=8, random_state=0)[0]


@pytest.fixture(scope="session")
def features():
    """Features of those pictures, as of an encoder."""
    return np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)


@pytest.fixture(scope="session")
def backbone():
    """Return a function that builds a tiny network."""
    return tiny_backbone


@pytest.fixture(scope="session")
def make():
    """Make an estimator of any class that fits in a moment."""

    def make_estimator(name="VTCCClustering", **parameters):
        small = {"max_epochs": 1, "batch_size": 20, "random_state": 0}
        if name in ("MFAVBClustering", "VTCCClustering"):
            small["backbone"] = ViT(embed_dim=16, n_heads=2)
        return getattr(sklearn_mfavb, name)(3, **{**small, **parameters})

    return make_estimator


@pytest.fixture(scope="session")
def fitted(make, images):
    """One fitted estimator; tests must not change it."""
    return make().fit(images)


@pytest.fixture
def saved(fitted, tmp_path):
    """Return the file of that estimator; tests may change it."""
    path = tmp_path / "model.mfavb"
    fitted.save(path)
    return path
