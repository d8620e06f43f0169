"""What labels embeddings, by the parameter `assignment`."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from sklearn_mfavb.assignment import (
    ASSIGNMENTS,
    EstimatorAssigner,
    Evidence,
    MixtureAssigner,
    balanced_contrast,
    choose_head,
    fit_assigner,
)
from sklearn_mfavb.assignment import _fit as fit_module
from sklearn_mfavb.heads import CenterHead, ClusterHeads

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def embedding():
    """Draw three blobs around three axes, in turn."""
    rng = np.random.default_rng(0)
    rows = np.eye(6)[np.arange(60) % 3] + 0.1 * rng.standard_normal((60, 6))
    return rows.astype(np.float32)


def gather(embedding, heads=None, **others):
    known = {"neighbors": None, "features": None, "balance": 1.0}
    heads = heads or ClusterHeads(embedding.shape[1], 3)
    known["head_loss"] = balanced_contrast
    settings = {**known, "seed": 0, "device": CPU, "n_clusters": 3, **others}
    return Evidence(embedding=embedding, heads=heads, **settings)


@pytest.mark.parametrize(
    "assignment",
    [*sorted(ASSIGNMENTS.keys() - {"head"}), GaussianMixture(3), KMeans(3, n_init=3)],
    ids=str,
)
def test_blobs_are_found(assignment, embedding):
    assigner = fit_assigner(assignment, gather(embedding))
    assert not assigner.training
    probabilities = assigner(torch.from_numpy(embedding))
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(60))
    labels = probabilities.argmax(dim=1)
    assert sorted(labels[:3].tolist()) == [0, 1, 2]
    assert torch.equal(labels, labels[:3].repeat(20))


def test_a_mixture_takes_balance_up_to_one(embedding):
    for balance, expected in [(0.3, 0.3), (5.0, 1.0)]:
        assigner = fit_assigner("mixture", gather(embedding, balance=balance))
        assert isinstance(assigner, MixtureAssigner)
        assert assigner.balance == expected


def test_kmeans_gives_its_centers(embedding):
    assigner = fit_assigner("kmeans", gather(embedding, seed=4))
    assert isinstance(assigner, CenterHead)
    assert not assigner.centers.requires_grad
    kmeans = KMeans(3, n_init=10, random_state=4).fit(embedding)
    assert_allclose(assigner.centers, kmeans.cluster_centers_, rtol=1e-6)


def test_head_gives_the_one_of_lowest_loss(embedding):
    """The loss of the method decides, on images and their neighbors."""
    heads = ClusterHeads(6, 3, 3)
    losses = iter([2.0, 1.0, 3.0])

    def loss(assignment, of_positives):
        assert of_positives.shape == (1, 60, 3)
        return next(losses)

    assert fit_assigner("head", gather(embedding, heads, head_loss=loss)) is heads[1]


def test_an_estimator_keeps_its_own_probabilities(embedding):
    mixture = GaussianMixture(3, random_state=1)
    assigner = fit_assigner(mixture, gather(embedding))
    found = assigner(torch.from_numpy(embedding))
    assert_allclose(found, mixture.fit(embedding).predict_proba(embedding), rtol=1e-5)
    kmeans = KMeans(3, n_init=3, random_state=1)
    found = fit_assigner(kmeans, gather(embedding))(torch.from_numpy(embedding))
    assert_array_equal(found, np.eye(3)[kmeans.fit(embedding).labels_])


def test_an_estimator_is_cloned_and_seeded(embedding):
    """The user's object stays as it was; its own seed takes precedence."""
    for seed, expected in [(None, 7), (3, 3)]:
        kmeans = KMeans(3, n_init=1, random_state=seed)
        assigner = EstimatorAssigner(kmeans).fit(embedding, seed=7)
        assert assigner.estimator.random_state == expected
        assert kmeans.random_state == seed
        assert not hasattr(kmeans, "labels_")


class Lopsided(KMeans):
    def predict(self, X):
        return np.full(len(X), 2 if len(X) == 1 else 0)


def test_a_cluster_without_training_images_can_get_new_ones(embedding):
    assigner = fit_assigner(Lopsided(3, n_init=1), gather(embedding))
    assert assigner(torch.from_numpy(embedding[:1])).tolist() == [[0, 0, 1]]


def test_an_estimator_may_find_another_number_of_clusters(embedding):
    assigner = fit_assigner(KMeans(5, n_init=1), gather(embedding))
    assert assigner.n_outputs == 5
    assert assigner(torch.from_numpy(embedding[:2])).shape == (2, 5)


def crisp_heads(*reads):
    """Make heads that assign crisply, each by its own entries of the embedding."""
    heads = ClusterHeads(6, len(reads[0]), len(reads))
    for head, entries in zip(heads, reads, strict=True):
        layer = torch.nn.Linear(6, len(entries), bias=False)
        layer.weight.data = 20 * torch.eye(6)[entries]
        head.layers = torch.nn.Sequential(layer)
    return heads


@pytest.mark.parametrize("best", [0, 1, 2])
@pytest.mark.parametrize("neighbors", ["within", None])
def test_chosen_head_has_the_lowest_loss(best, neighbors):
    """Crisp balanced clusters of neighbors beat collapsed and undecided ones."""
    embedding = np.eye(6, dtype=np.float32)[np.repeat(np.arange(3), 4)]
    reads = [[5, 4, 3], [0, 0, 0], [1, 1, 5]]
    reads[best] = [0, 1, 2]
    if neighbors is not None:
        neighbors = np.array([[4 * (i // 4) + (i + 1) % 4] for i in range(12)])
    assert choose_head(crisp_heads(*reads), embedding, neighbors, device=CPU) == best


def test_neighbors_decide_between_crisp_heads():
    half, parity = np.arange(8) // 4, np.arange(8) % 2
    columns = [half, 1 - half, parity, 1 - parity, 0 * half, 0 * half]
    embedding = np.stack(columns, axis=1).astype(np.float32)
    heads = crisp_heads([0, 1], [2, 3])
    in_halves = np.array([[1], [2], [3], [0], [5], [6], [7], [4]])
    by_parity = np.array([[2], [3], [4], [5], [6], [7], [0], [1]])
    assert choose_head(heads, embedding, in_halves, device=CPU) == 0
    assert choose_head(heads, embedding, by_parity, device=CPU) == 1


def test_heads_are_judged_on_blocks_that_do_not_follow_the_order(monkeypatch):
    """Blocks of images sorted by class are as mixed as all images are."""
    monkeypatch.setattr(fit_module, "_BLOCK_ROWS", 6)
    embedding = np.eye(6, dtype=np.float32)[np.repeat(np.arange(3), 6)]
    heads, seen = crisp_heads([5, 4, 0], [0, 1, 2]), []

    def loss(assignment, of_positives):
        seen.append(len(assignment))
        assert of_positives.shape == (2, len(assignment), 3)
        return -assignment.mean(dim=0).min()

    neighbors = np.stack([np.arange(18), np.roll(np.arange(18), 1)], axis=1)
    assert choose_head(heads, embedding, neighbors, loss=loss, device=CPU) == 1
    assert seen == [6, 6, 6] * 2


def test_a_choice_stands():
    heads = ClusterHeads(6, 3, 2)
    heads.choose(1)
    rows = np.zeros((4, 6), dtype=np.float32)
    assert choose_head(heads, rows, None, loss=None, device=CPU) == 1
