"""A fitted estimator, and figures that do not pile up."""

import pytest
from matplotlib import pyplot

from sklearn_mfavb import MFAVBClustering, ViT
from sklearn_mfavb.datasets import make_shape_images


@pytest.fixture(autouse=True)
def closed_figures():
    """Draw off screen, and close all figures of a test."""
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="session")
def shapes():
    """Sixty grayscale pictures of three kinds of shapes, with their kinds."""
    return make_shape_images(60, n_clusters=3, image_size=8, random_state=0)


@pytest.fixture(scope="session")
def fitted(shapes):
    """One estimator fitted on the shapes; tests must not change it."""
    images, _ = shapes
    return MFAVBClustering(
        3,
        backbone=ViT(embed_dim=16, n_heads=2),
        max_epochs=2,
        batch_size=32,
        random_state=0,
    ).fit(images)
