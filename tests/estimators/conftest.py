"""A small problem and a quick estimator for it."""

import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images


@pytest.fixture(scope="session")
def shapes():
    """Ninety grey pictures of three kinds of shapes, with their kinds."""
    return make_shape_images(90, n_clusters=3, image_size=8, random_state=0)


@pytest.fixture
def quick():
    """Make an estimator that fits in well under a second."""

    def make(n_clusters=3, **parameters):
        defaults = {
            "embed_dim": 16,
            "n_heads": 2,
            "max_epochs": 2,
            "batch_size": 32,
            "random_state": 0,
        }
        return MFAVBClustering(n_clusters, **{**defaults, **parameters})

    return make


@pytest.fixture(scope="session")
def fitted(shapes):
    """One estimator fitted on the shapes; tests must not change it."""
    images, _ = shapes
    return MFAVBClustering(
        3, embed_dim=16, n_heads=2, max_epochs=3, batch_size=32, random_state=0
    ).fit(images)


@pytest.fixture
def write_folder():
    """Make a folder of images, one of which is cut off or no image at all."""

    def write(folder, images, broken, keeps_header=False):
        for index, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{index:03}.png")
        path = folder / f"{broken:03}.png"
        path.write_bytes(path.read_bytes()[:50] if keeps_header else b"no image")

    return write
