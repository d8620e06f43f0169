"""SCAN: three stages, neighbours with oneself, and the head that is kept."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import SCANClustering
from sklearn_mfavb.backbones import ConvStemViT, FeatureBackbone
from sklearn_mfavb.estimators._positives import limit_neighbors
from sklearn_mfavb.images import ImageDataset, check_images
from sklearn_mfavb.metrics import clustering_accuracy

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide, for images of 8 pixels."""
    sizes = {"patch_size": 4, "embed_dim": 16, "n_heads": 2, "depth": 1}
    return ConvStemViT((2, 2), n_channels=n_channels, **sizes, **sees)


def draw_classes(n_samples=400, n_classes=4, n_features=16, spread=1.0):
    """Draw Gaussian classes that overlap a little."""
    rng = np.random.default_rng(0)
    kinds = np.arange(n_samples) % n_classes
    centers = 2.4 * np.eye(n_classes, n_features)
    return centers[kinds] + spread * rng.normal(size=(n_samples, n_features)), kinds


def unit(rows):
    """Bring rows to unit length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def prepare(features):
    """Centre and scale features as the class documents it."""
    rows = unit(features)
    rows = unit(rows - rows.mean(axis=0)) * np.sqrt(rows.shape[1])
    return rows.astype(np.float32)


def cluster_independently(features, n_clusters, seed, n_steps=600):
    """Train a linear softmax head with SCAN's loss, written out."""
    rows = prepare(features)
    similarity = unit(rows) @ unit(rows).T
    neighbors = torch.from_numpy(np.argsort(-similarity, axis=1)[:, :21].copy())
    inputs = torch.from_numpy(rows)
    generator = torch.Generator().manual_seed(seed)
    weight = 0.1 * torch.randn(rows.shape[1], n_clusters, generator=generator)
    bias = torch.zeros(n_clusters, requires_grad=True)
    optimizer = torch.optim.Adam([weight.requires_grad_(), bias], lr=0.01)
    for _ in range(n_steps):
        batch = torch.randperm(len(rows), generator=generator)[:100]
        column = torch.randint(21, (100,), generator=generator)
        own = (inputs[batch] @ weight + bias).softmax(dim=1)
        its = (inputs[neighbors[batch, column]] @ weight + bias).softmax(dim=1)
        share = own.mean(dim=0)
        consistency = -(own * its).sum(dim=1).log().mean()
        loss = consistency + 5.0 * (share * share.log()).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (inputs @ weight + bias).argmax(dim=1).numpy()


def fit_features(features, n_clusters, **parameters):
    """Cluster features alone; the images are there, but not looked at."""
    images = np.zeros((len(features), 8, 8), dtype=np.uint8)
    clusterer = SCANClustering(n_clusters, clip="precomputed", **parameters)
    return clusterer.fit(images, clip_features=features)


def test_agrees_with_an_independent_computation_on_features():
    """Mean accuracies over three seeds are within 0.02, and far from chance.

    Both take 600 steps of 100 points at the same peak rate. At the default rate of
    0.001 our head is not there yet: 0.83 instead of 0.90.
    """
    features, kinds = draw_classes()
    budget = {"max_epochs": 150, "batch_size": 100, "learning_rate": 0.01}
    ours, independent = [], []
    for seed in range(3):
        clusterer = fit_features(
            features, 4, n_cluster_heads=1, random_state=seed, **budget
        )
        labels = clusterer.labels_
        ours.append(clustering_accuracy(kinds, labels))
        labels = cluster_independently(features, 4, seed)
        independent.append(clustering_accuracy(kinds, labels))
    assert 0.8 < np.mean(independent) < 0.99
    assert abs(np.mean(ours) - np.mean(independent)) <= 0.02


class RecordHeads(Callback):
    """Note at the end of every epoch which head is left, the heads and the rate."""

    def __init__(self):
        self.chosen, self.rates, self.weights = [], [], []

    def on_epoch_end(self, net, **kwargs):
        heads = net.module_.cluster_heads
        self.chosen.append(int(heads.chosen))
        self.rates.append(net.optimizer_.param_groups[0]["initial_lr"])
        self.weights.append([head.layers.weight.detach().clone() for head in heads])


def make(**parameters):
    """Make an estimator of few epochs on a tiny network."""
    defaults = {
        "backbone": tiny_backbone,
        "pretext_epochs": 3,
        "max_epochs": 2,
        "self_label_epochs": 4,
        "batch_size": 32,
        "random_state": 0,
    }
    return SCANClustering(3, **{**defaults, **parameters})


def test_three_stages_in_their_order(shapes):
    """Every epoch names its stage and has the terms of that stage."""
    images, _ = shapes
    history = make().fit(images).history_
    stages = ["pretext"] * 3 + ["clustering"] * 2 + ["self-labelling"] * 4
    assert [row["stage"] for row in history] == stages
    terms = {
        row["stage"]: {name for name in row if name.endswith("_loss")}
        for row in history
    }
    assert terms == {
        "pretext": {"instance_loss"},
        "clustering": {"consistency_loss", "entropy_loss"},
        "self-labelling": {"self_label_loss"},
    }


@pytest.mark.parametrize(
    ("parameters", "n_epochs"),
    [
        ({}, {"pretext": 4, "clustering": 4, "self-labelling": 2}),
        ({"clip": "precomputed"}, {"clustering": 4}),
        (
            {"clip": "precomputed", "image_tokens": True},
            {"clustering": 4, "self-labelling": 2},
        ),
    ],
    ids=["pixels", "features", "both"],
)
def test_automatic_stages(shapes, parameters, n_epochs):
    """With features the pretext is skipped, without pixels the self-labelling is."""
    images, _ = shapes
    settings = {
        "max_epochs": 4,
        "pretext_epochs": "auto",
        "self_label_epochs": "auto",
        **parameters,
    }
    features = np.random.default_rng(0).normal(size=(90, 6))
    clusterer = make(**settings).fit(
        images, clip_features=features if "clip" in parameters else None
    )
    stages = [row["stage"] for row in clusterer.history_]
    assert {stage: stages.count(stage) for stage in stages} == n_epochs


def test_one_head_is_kept_and_teaches_itself(shapes):
    """Only the head of lowest loss is left before the third step, at a low rate."""
    images, _ = shapes
    record = RecordHeads()
    clusterer = make(callbacks=[record]).fit(images)
    heads = clusterer.net_.module_.cluster_heads
    chosen = int(heads.chosen)
    assert record.chosen == [-1] * 5 + [chosen] * 4
    assert clusterer.readout_ is heads[chosen]
    assert record.rates == pytest.approx([1e-3] * 5 + [1e-4] * 4)
    for index, head in enumerate(heads):
        before, after = record.weights[4][index], head.layers.weight
        assert torch.equal(before, after) == (index != chosen)
    again = clusterer.set_params(warm_start=True, self_label_epochs=0).fit(images)
    assert record.chosen[9:] == [chosen] * 3 + [-1] * 2
    assert again.net_.module_.cluster_heads.chosen >= 0


def test_neighbours_need_something_that_knows_them(shapes):
    """A random network has no neighbours; one that has learned needs no pretext."""
    images, _ = shapes
    with pytest.raises(ValueError, match="pretext_epochs=0 leaves nothing"):
        make(pretext_epochs=0).fit(images)
    clusterer = make().fit(images)
    clusterer.set_params(warm_start=True, pretext_epochs=0, self_label_epochs=0)
    stages = [row["stage"] for row in clusterer.fit(images).history_[9:]]
    assert stages == ["clustering"] * 2


def test_heads_stand_on_the_features():
    """Without pixels there is no network but linear heads on the scaled features."""
    features, _ = draw_classes(60)
    clusterer = fit_features(features, 4, max_epochs=1, random_state=0)
    assert isinstance(clusterer.net_.module_.backbone, FeatureBackbone)
    images = np.zeros((60, 8, 8), dtype=np.uint8)
    embedding = clusterer.transform(images, clip_features=features)
    np.testing.assert_allclose(embedding, prepare(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("space", ["clip", "embedding"])
def test_an_image_is_among_its_own_neighbours(shapes, space):
    """The first neighbour is the image; the others are other images, nearest first."""
    images, _ = shapes
    features, _ = draw_classes(90, 3)
    clusterer = make(neighbor_space=space, n_neighbors=7, clip="precomputed")
    dataset = ImageDataset(check_images(images), (8, 8))
    dataset.features = torch.from_numpy(prepare(features))
    network = clusterer._make_network(dataset)
    neighbors = clusterer._mine_neighbors(network, dataset)
    assert neighbors.shape == (90, 8)
    assert (neighbors[:, 0] == np.arange(90)).all()
    assert all(len(set(row)) == 8 for row in neighbors.tolist())
    if space == "clip":
        rows = unit(prepare(features))
        expected = np.argsort(-(rows @ rows.T), axis=1)[:, :8]
        np.testing.assert_array_equal(neighbors, expected)


def test_neighbours_stay_within_half_of_a_mean_cluster():
    """Twenty are asked for, but there is no use of more than share a cluster."""
    assert limit_neighbors(SCANClustering().n_neighbors, 1000, 10) == 20
    assert limit_neighbors(SCANClustering().n_neighbors, 100, 10) == 5


def test_the_head_of_lowest_loss_is_kept():
    """The read-out is the head whose SCAN loss on all images and neighbours is least.

    The entropy has weight one there, whatever weight it was trained with.
    """
    features, _ = draw_classes(120)
    clusterer = fit_features(features, 4, max_epochs=6, random_state=0)
    rows = prepare(features)
    similarity = unit(rows) @ unit(rows).T
    neighbors = np.argsort(-similarity, axis=1)[:, :16]  # 120 / (2 * 4), and itself
    heads = clusterer.net_.module_.cluster_heads
    losses = []
    for head in heads:
        own = head(torch.from_numpy(rows)).detach().numpy()
        share = own.mean(axis=0)
        agreement = np.einsum("ik,ijk->ij", own, own[neighbors])
        consistency = -np.log(agreement).mean()
        losses.append(consistency + (share * np.log(share)).sum())
        judged = clusterer._judge_head(*map(torch.from_numpy, (own, own[neighbors.T])))
        assert float(judged) == pytest.approx(losses[-1], rel=1e-4)
    assert len(heads) == 10
    assert np.ptp(losses) > 1e-3
    assert clusterer.readout_ is heads[int(np.argmin(losses))]
