"""scikit-learn's checks over every exported estimator."""

import inspect
import math

import pytest
from sklearn.base import ClusterMixin
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

import sklearn_mfavb
from sklearn_mfavb.backbones import ConvStemViT


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide."""
    height, width = (math.ceil(side / 2) for side in image_size)
    return ConvStemViT(
        (height, width),
        n_channels=n_channels,
        patch_size=2,
        embed_dim=16,
        n_heads=2,
        depth=1,
        **sees,
    )


# One check asks for the clusters of 50 points: a head that has seen them for five
# epochs is not ready for that, a mixture or k-means on its embedding is.
SMALL = {
    "AnchorClustering": {
        "backbone": tiny_backbone,
        "max_epochs": 5,
        "assignment": "kmeans",
    },
    "ContrastiveClustering": {
        "backbone": tiny_backbone,
        "max_epochs": 5,
        "assignment": "mixture",
    },
    "CueCoClustering": {"backbone": tiny_backbone, "max_epochs": 5},
    "MFAVBClustering": {"embed_dim": 16, "n_heads": 2, "max_epochs": 8},
    "SCANClustering": {
        "backbone": tiny_backbone,
        "max_epochs": 5,
        "assignment": "kmeans",
    },
    "VTCCClustering": {
        "embed_dim": 16,
        "n_heads": 2,
        "max_epochs": 5,
        "assignment": "mixture",
    },
}


def list_estimators():
    """Make one small, quick instance of every exported clusterer.

    Transformers have fewer checks and their own test of them.
    """
    exported = [getattr(sklearn_mfavb, name) for name in sklearn_mfavb.__all__]
    classes = [
        item
        for item in exported
        if inspect.isclass(item) and issubclass(item, ClusterMixin)
    ]
    return [
        estimator(image_shape=(1, -1), batch_size=16, **SMALL[estimator.__name__])
        for estimator in classes
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(list_estimators())
def test_scikit_learn_checks(estimator, check):
    """The estimator is a good citizen of scikit-learn; nothing is expected to fail."""
    check(estimator)


@pytest.mark.parametrize(
    "estimator", list_estimators(), ids=lambda estimator: type(estimator).__name__
)
def test_enough_checks_are_collected(estimator):
    """A green run is not an empty one: at least 50 checks apply."""
    assert len(list(estimator_checks_generator(estimator))) >= 50
