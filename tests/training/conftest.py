"""A small network on rows of features, and its training by stages."""

import pytest
import torch

from sklearn_mfavb.augmentation import FeatureNoise, Identity, ViewAugmentation
from sklearn_mfavb.backbones import FeatureBackbone
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import InstanceObjective
from sklearn_mfavb.pairs import WithinPair
from sklearn_mfavb.training import Runtime, Stage, Training, train


@pytest.fixture
def dataset():
    """Ten rows of four features."""
    return ImageDataset(None, None, features=torch.randn(10, 4))


@pytest.fixture
def make_network():
    """Build heads on the features, always with the same weights."""

    def make():
        torch.manual_seed(1)
        heads = InstanceHead(4, 3), ClusterHeads(4, 2)
        return ClusteringNetwork(FeatureBackbone((4,)), *heads)

    return make


@pytest.fixture
def make_stage():
    """Plan a contrast of rows with noise."""

    def make(max_epochs=3, *, objective=None, **options):
        augment = ViewAugmentation(Identity(), FeatureNoise())
        pairs = WithinPair(augment, augment)
        return Stage(objective or InstanceObjective(0.5), pairs, max_epochs, **options)

    return make


@pytest.fixture
def run(dataset, make_network):
    """Train a network on the rows, four at a time; return the history."""

    def run(*stages, network=None, checkpoint=None, dtype=None, verbose=0, **training):
        return train(
            network or make_network(),
            stages,
            dataset,
            training=Training(**training),
            runtime=Runtime(torch.device("cpu"), dtype, 4),
            checkpoint=checkpoint,
            verbose=verbose,
        )

    return run
