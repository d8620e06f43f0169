"""Positives: where neighbors are sought, how many, and when."""

import numpy as np
import pytest
import torch
from skorch import NeuralNet

from sklearn_mfavb.backbones import FeatureBackbone
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.positives import Neighbors, NeighborSearch, resolve_positives
from sklearn_mfavb.training import Runtime
from sklearn_mfavb.views import ViewShape

# Pixels, features and embedding pair the four images differently.
PIXELS = np.zeros((4, 8, 8), dtype=np.uint8)
PIXELS[2:] = 200
FEATURES = np.float32([[1, 0.1], [0.1, 1], [1, 0.2], [0.2, 1]])
BY_PIXELS, BY_FEATURES = [1, 0, 3, 2], [2, 3, 0, 1]


class Turned(FeatureBackbone):
    """An embedding that pairs the first image with the last."""

    def forward(self, view):
        angle = torch.tensor([0.0, 1.0, 1.1, 0.1])
        return torch.stack([angle.cos(), angle.sin()], dim=1)


def on_images(images, features=None):
    return ImageDataset(open_images(images), (8, 8), None, features)


def on_features(n_samples):
    rows = np.random.default_rng(0).standard_normal((n_samples, 3))
    return ImageDataset(None, None, None, rows.astype(np.float32))


def make_search(neighbors, dataset, *, feature_dims=None, n_clusters=1):
    if feature_dims is None:
        feature_dims = () if dataset.features is None else dataset.features.shape[1:]
    heads = InstanceHead(2, 2), ClusterHeads(2, 2)
    return NeighborSearch(
        neighbors,
        dataset,
        shape=ViewShape(dataset.size, 1, tuple(feature_dims)),
        network=ClusteringNetwork(Turned((2,)), *heads, n_channels=1),
        n_clusters=n_clusters,
        runtime=Runtime(torch.device("cpu"), None, 100),
    )


@pytest.mark.parametrize(
    ("space", "features", "expected"),
    [
        ("auto", FEATURES, BY_FEATURES),
        ("auto", None, BY_PIXELS),
        ("features", FEATURES, BY_FEATURES),
        ("pixels", FEATURES, BY_PIXELS),
    ],
)
def test_neighbors_are_found_before_training(space, features, expected):
    """By the angle of features or by pixels, once."""
    search = make_search(Neighbors(1, space=space), on_images(PIXELS, features))
    assert search.callbacks() == ()
    search.prepare()
    assert search.dataset.neighbors[:, 0].tolist() == expected


def test_neighbors_in_the_embedding_are_found_while_it_is_learned():
    """Before epochs 3 and 5, counted from 1; before that there are none."""
    neighbors = Neighbors(1, space="embedding", refresh=2)
    search = make_search(neighbors, on_images(PIXELS, FEATURES))
    search.prepare()
    assert search.dataset.neighbors is None
    [(name, callback)] = search.callbacks()
    assert name == "neighbors"
    net = NeuralNet(search.network, torch.nn.Identity)
    net.initialize()
    searched = []
    for _ in range(5):
        net.history.new_epoch()
        callback.on_epoch_begin(net)
        searched.append(search.dataset.neighbors is not None)
        search.dataset.neighbors = None
    assert searched == [False, False, True, False, True]
    search.run()
    assert search.dataset.neighbors[:, 0].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("dataset", "n_clusters", "wanted", "expected"),
    [
        (on_features(100), 2, "auto", 5),
        (on_features(100), 2, 7, 7),
        (on_features(100), 2, 80, 25),
        (on_features(100), 20, "auto", 2),
        (on_features(5), 3, "auto", 1),
        (on_features(2), 1, 10, 1),
        (on_images(np.zeros((90, 8, 8), dtype=np.uint8)), 3, "auto", 10),
    ],
)
def test_there_are_at_most_half_as_many_as_a_cluster_has_images(
    dataset, n_clusters, wanted, expected
):
    """But one at least; by default five, and ten by pixels."""
    search = make_search(Neighbors(wanted), dataset, n_clusters=n_clusters)
    search.prepare()
    assert dataset.neighbors.shape == (len(dataset), expected)


@pytest.mark.parametrize("neighbors", [None, Neighbors(), Neighbors(space="embedding")])
def test_a_single_image_has_no_neighbors(neighbors):
    """Nor has any where positives are augmentations."""
    search = make_search(neighbors, on_features(5 if neighbors is None else 1))
    search.prepare()
    search.run()
    assert search.dataset.neighbors is None
    assert search.callbacks() == ()


def test_two_encoders_count_the_same():
    """However many features they have; every encoder's rows have mean square one."""
    rng = np.random.default_rng(0)
    blocks = [rng.standard_normal((40, n_features)) for n_features in (400, 4)]
    for block in blocks:
        block /= np.sqrt(np.square(block).mean(axis=1, keepdims=True))
    dataset = ImageDataset(None, None, None, np.hstack(blocks).astype(np.float32))
    make_search(Neighbors(3), dataset, feature_dims=(400, 4)).prepare()
    cosines = sum(block @ block.T / block.shape[1] for block in blocks)
    np.fill_diagonal(cosines, -np.inf)
    expected = np.argsort(-cosines, axis=1)[:, :3]
    np.testing.assert_array_equal(dataset.neighbors, expected)


@pytest.mark.parametrize(
    ("space", "dataset", "message"),
    [
        ("features", on_images(PIXELS), "space='features' .* encoder='ViT-B-32'"),
        ("pixels", on_features(5), "space='pixels' .* use_pixels=True"),
    ],
)
def test_a_space_that_there_is_not_is_refused(space, dataset, message):
    with pytest.raises(ValueError, match=message):
        make_search(Neighbors(space=space), dataset)


COLORS = np.zeros((4, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("positives", "dataset", "has_neighbors"),
    [
        ("auto", on_images(PIXELS), True),
        ("auto", on_images(COLORS), False),
        ("auto", on_images(COLORS, FEATURES), True),
        ("auto", on_features(4), True),
        ("neighbors", on_images(COLORS), True),
        ("augmentation", on_images(PIXELS), False),
    ],
)
def test_auto_takes_neighbors_where_they_tell_much(positives, dataset, has_neighbors):
    """Features and gray pixels show which images are alike."""
    assert (resolve_positives(positives, dataset) is not None) is has_neighbors


def test_the_users_own_neighbors_are_taken_as_they_are():
    mine, dataset = Neighbors(3, space="embedding"), on_images(COLORS)
    assert resolve_positives(mine, dataset) is mine
    expected = Neighbors().get_params()
    assert resolve_positives("neighbors", dataset).get_params() == expected
