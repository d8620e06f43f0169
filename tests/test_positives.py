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


def make_search(neighbors, *, dataset=None, feature_dims=(2,), n_clusters=1):
    if dataset is None:
        features = FEATURES if feature_dims else None
        dataset = ImageDataset(open_images(PIXELS), (8, 8), None, features)
    heads = InstanceHead(2, 2), ClusterHeads(2, 2)
    return NeighborSearch(
        neighbors,
        dataset,
        shape=ViewShape(dataset.size, 1, feature_dims),
        network=ClusteringNetwork(Turned((2,)), *heads, n_channels=1),
        n_clusters=n_clusters,
        runtime=Runtime(torch.device("cpu"), None, 100),
    )


@pytest.mark.parametrize(
    ("space", "feature_dims", "expected"),
    [
        ("auto", (2,), BY_FEATURES),
        ("auto", (), BY_PIXELS),
        ("features", (2,), BY_FEATURES),
        ("pixels", (2,), BY_PIXELS),
    ],
)
def test_neighbors_are_found_before_training(space, feature_dims, expected):
    """By the angle of features or by pixels, once."""
    search = make_search(Neighbors(1, space=space), feature_dims=feature_dims)
    assert search.callbacks() == ()
    search.prepare()
    assert search.dataset.neighbors[:, 0].tolist() == expected


def test_neighbors_in_the_embedding_are_found_while_it_is_learned():
    """Before epochs 3 and 5, counted from 1; before that there are none."""
    search = make_search(Neighbors(1, space="embedding", refresh=2))
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


def draw_rows(n_samples, n_features=3):
    rows = np.random.default_rng(0).standard_normal((n_samples, n_features))
    return ImageDataset(None, None, None, rows.astype(np.float32))


@pytest.mark.parametrize(
    ("n_samples", "n_clusters", "wanted", "expected"),
    [
        (100, 2, "auto", 5),
        (100, 2, 7, 7),
        (100, 2, 80, 25),
        (100, 20, "auto", 2),
        (5, 3, "auto", 1),
        (2, 1, 10, 1),
    ],
)
def test_there_are_at_most_half_as_many_as_a_cluster_has_images(
    n_samples, n_clusters, wanted, expected
):
    """But one at least, where there is another image."""
    search = make_search(
        Neighbors(wanted),
        dataset=draw_rows(n_samples),
        feature_dims=(3,),
        n_clusters=n_clusters,
    )
    search.prepare()
    assert search.dataset.neighbors.shape == (n_samples, expected)


def test_by_pixels_there_are_ten():
    images = np.random.default_rng(0).integers(0, 255, (90, 8, 8), dtype=np.uint8)
    dataset = ImageDataset(open_images(images), (8, 8))
    search = make_search(Neighbors(), dataset=dataset, feature_dims=(), n_clusters=3)
    search.prepare()
    assert dataset.neighbors.shape == (90, 10)


@pytest.mark.parametrize("neighbors", [None, Neighbors(), Neighbors(space="embedding")])
def test_a_single_image_has_no_neighbors(neighbors):
    """Nor has any where positives are augmentations."""
    n_samples = 5 if neighbors is None else 1
    search = make_search(neighbors, dataset=draw_rows(n_samples), feature_dims=(3,))
    search.prepare()
    search.run()
    assert search.dataset.neighbors is None
    assert search.callbacks() == ()


def test_two_encoders_count_the_same():
    """However many features they have; every encoder's rows have mean square one."""
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((40, 400))
    narrow = rng.standard_normal((40, 4))
    blocks = [
        block / np.sqrt(np.square(block).mean(axis=1, keepdims=True))
        for block in (wide, narrow)
    ]
    rows = np.hstack(blocks).astype(np.float32)
    dataset = ImageDataset(None, None, None, rows)
    search = make_search(Neighbors(3), dataset=dataset, feature_dims=(400, 4))
    search.prepare()
    cosines = sum(block @ block.T / block.shape[1] for block in blocks)
    np.fill_diagonal(cosines, -np.inf)
    expected = np.argsort(-cosines, axis=1)[:, :3]
    np.testing.assert_array_equal(dataset.neighbors, expected)


@pytest.mark.parametrize(
    ("space", "dataset", "feature_dims", "message"),
    [
        ("features", None, (), "space='features' .* encoder='ViT-B-32'"),
        ("pixels", draw_rows(5), (3,), "space='pixels' .* use_pixels=True"),
    ],
)
def test_a_space_that_there_is_not_is_refused(space, dataset, feature_dims, message):
    with pytest.raises(ValueError, match=message):
        make_search(Neighbors(space=space), dataset=dataset, feature_dims=feature_dims)


def open_colors(features=None):
    colors = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    return ImageDataset(open_images(colors), (8, 8), None, features)


GRAY = ImageDataset(open_images(PIXELS), (8, 8))


@pytest.mark.parametrize(
    ("positives", "dataset", "has_neighbors"),
    [
        ("auto", GRAY, True),
        ("auto", open_colors(), False),
        ("auto", open_colors(FEATURES), True),
        ("auto", draw_rows(4), True),
        ("neighbors", open_colors(), True),
        ("augmentation", GRAY, False),
    ],
)
def test_auto_takes_neighbors_where_they_tell_much(positives, dataset, has_neighbors):
    """Features and gray pixels show which images are alike."""
    assert (resolve_positives(positives, dataset) is not None) is has_neighbors


def test_the_users_own_neighbors_are_taken_as_they_are():
    mine = Neighbors(3, space="embedding")
    assert resolve_positives(mine, open_colors()) is mine
    expected = Neighbors().get_params()
    assert resolve_positives("neighbors", GRAY).get_params() == expected
