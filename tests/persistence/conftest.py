"""Small estimators of every kind, to save and load."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_mfavb import (
    AnchorClustering,
    CLIPFeatures,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
)
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.datasets import make_shape_images

FAMILY = {
    cls.__name__: cls
    for cls in (
        AnchorClustering,
        ContrastiveClustering,
        CueCoClustering,
        MFAVBClustering,
        SCANClustering,
        VTCCClustering,
    )
}


NETWORKS = {"net_", "readout_", "clip_encoder_"}


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide, for images of 8 pixels."""
    return ConvStemViT(
        (2, 2),
        n_channels=n_channels,
        patch_size=4,
        embed_dim=16,
        n_heads=2,
        depth=1,
        **sees,
    )


def _assert_equal_values(one, other):
    """Compare values of any type, and the types."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)
    elif isinstance(one, CLIPFeatures):
        assert one.get_params() == other.get_params()
    else:
        assert one == other


def _assert_same(loaded, fitted, X, **features):
    """Compare everything that two estimators say and hold."""
    assert type(loaded) is type(fitted)
    for method in ("predict", "predict_proba", "transform"):
        theirs = getattr(fitted, method)(X, **features)
        assert_array_equal(getattr(loaded, method)(X, **features), theirs)
    assert vars(loaded).keys() == vars(fitted).keys()
    for name in vars(fitted).keys() - NETWORKS:
        _assert_equal_values(getattr(loaded, name), getattr(fitted, name))
    for name in NETWORKS & vars(fitted).keys():
        assert type(getattr(loaded, name)) is type(getattr(fitted, name))


@pytest.fixture(scope="session")
def assert_same():
    """Compare everything that two fitted estimators say and hold."""
    return _assert_same


@pytest.fixture(scope="session")
def images():
    """Forty grey pictures of three kinds of shapes, 8 pixels a side."""
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
        is_vit = name in ("MFAVBClustering", "VTCCClustering")
        defaults = {
            "max_epochs": 1,
            "batch_size": 20,
            "random_state": 0,
            **({"embed_dim": 16, "n_heads": 2} if is_vit else {}),
        }
        return FAMILY[name](3, **{**defaults, **parameters})

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
