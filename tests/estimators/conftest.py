"""The family of estimators, small problems, and quick settings for both."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from skorch.callbacks import Callback

from sklearn_mfavb import Training, estimators
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.datasets import make_shape_images

FAMILY = [
    getattr(estimators, name)
    for name in estimators.__all__
    if name.endswith("Clustering")
]
FEW_EPOCHS = {
    "AnchorClustering": {"pretrain_epochs": 1},
    "C3Clustering": {"pretrain_epochs": 1},
    "GCCClustering": {"pretrain_epochs": 1},
    "SCANClustering": {"pretext_epochs": 1, "self_label_epochs": 1},
}


def pytest_collection_modifyitems(items):
    """Fits of a moment may leave clusters empty; that warning has its own test."""
    ignore = "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
    for item in items:
        if "estimators" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings(ignore), append=False)


def build_tiny(*, image_size, n_channels, feature_dims):
    """Build a transformer of one layer, 16 wide, for whatever there is to see."""
    grid = None if image_size is None else tuple(-(-side // 4) for side in image_size)
    return ConvStemViT(
        grid,
        n_channels=n_channels,
        patch_size=4,
        embed_dim=16,
        n_heads=2,
        depth=1,
        feature_dims=feature_dims,
    )


@pytest.fixture(scope="session", params=FAMILY, ids=lambda each: each.__name__)
def estimator_class(request):
    return request.param


@pytest.fixture(scope="session")
def tiny_backbone():
    return build_tiny


@pytest.fixture(scope="session")
def make():
    """Make an estimator of two epochs (and few before them) on a tiny network."""

    def make_quick(estimator_class, n_clusters=3, **parameters):
        defaults = {
            "backbone": build_tiny,
            "max_epochs": 2,
            "batch_size": 32,
            "random_state": 0,
            **FEW_EPOCHS.get(estimator_class.__name__, {}),
        }
        return estimator_class(n_clusters, **{**defaults, **parameters})

    return make_quick


@pytest.fixture(scope="session")
def shapes():
    """Draw ninety grayscale images of three kinds of shapes, with their kinds."""
    return make_shape_images(90, n_clusters=3, image_size=8, random_state=0)


@pytest.fixture(scope="session")
def images(shapes):
    return shapes[0]


@pytest.fixture(scope="session")
def features(shapes):
    """Draw features that tell the kinds of shapes apart, as an encoder may."""
    kinds, rng = shapes[1], np.random.default_rng(0)
    return 3 * np.eye(3, 12)[kinds] + rng.normal(size=(len(kinds), 12))


@pytest.fixture(scope="session")
def fitted(estimator_class, make, images):
    """Fit every class on the pixels once; tests must not change it."""
    return make(estimator_class).fit(images)


@pytest.fixture
def photos(shapes, tmp_path):
    """Write thirty images to files, and return their paths."""
    paths = [tmp_path / "photos" / f"{number:02}.png" for number in range(30)]
    paths[0].parent.mkdir()
    for path, image in zip(paths, shapes[0], strict=False):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def decoded(monkeypatch):
    """List the files whose pixels Pillow decodes, each time it does."""
    files, load = [], ImageFile.ImageFile.load

    def note(image):
        if image.tile:  # what a file that is open, and not decoded yet, has
            files.append(image)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", note)
    return files


class StopAt(Callback):
    """Raise in an epoch, counted over all stages: in its first batch or at its end."""

    def __init__(self, n_epochs, error=KeyboardInterrupt, *, at_its_end=False):
        self.n_epochs, self.error, self.at_its_end = n_epochs, error, at_its_end
        self.n_begun = 0

    def on_epoch_begin(self, net, **kwargs):
        self.n_begun += 1

    def on_batch_end(self, net, **kwargs):
        if self.n_begun == self.n_epochs and not self.at_its_end:
            raise self.error

    def on_epoch_end(self, net, **kwargs):
        if self.n_begun == self.n_epochs and self.at_its_end:
            raise self.error


class Record(Callback):
    """Note nets, and looks at the network when a stage starts and after every step."""

    def __init__(self, look):
        self.look = look
        self.starts, self.steps, self.nets = [], [], []

    @torch.no_grad()
    def on_train_begin(self, net, **kwargs):
        self.nets.append(net)
        self.starts.append(self.look(net.module_))

    @torch.no_grad()
    def on_batch_end(self, net, **kwargs):
        self.steps.append(self.look(net.module_))


@pytest.fixture(scope="session")
def recorded():
    """Make training in float32 that is recorded, and its record."""

    def make_recorded(look=lambda network: None, **parameters):
        record = Record(look)
        settings = {"precision": "float32", "callbacks": [record], **parameters}
        return record, Training(**settings)

    return make_recorded


@pytest.fixture(scope="session")
def stop_at():
    """Make what ends training in some epoch."""

    def stop(*arguments, checkpoint=None, **keywords):
        callbacks = [StopAt(*arguments, **keywords)]
        return Training(callbacks=callbacks, checkpoint=checkpoint)

    return stop
