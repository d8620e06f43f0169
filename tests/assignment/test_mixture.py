"""Labels by a mixture with balanced sizes: its equations, its memory, its limits."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.cluster import KMeans

from sklearn_mfavb.assignment import MixtureAssigner
from sklearn_mfavb.assignment import _mixture as mixture_module
from sklearn_mfavb.metrics import clustering_accuracy


def draw_blobs(sizes, seed=0, spread=0.1, long=0.1, distance=1.5):
    """Draw Gaussian blobs in eight dimensions; the first may be a long axis."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    rows = spread * rng.standard_normal((len(kinds), 8))
    rows[:, 0] = long * rng.standard_normal(len(kinds))
    rows[np.arange(len(kinds)), 1 + kinds] += distance
    return rows.astype(np.float32), kinds


def assign(assigner, rows):
    return assigner(torch.from_numpy(rows)).numpy()


def fit_labels(rows, n_clusters=3, seed=0, **parameters):
    assigner = MixtureAssigner(rows.shape[1], n_clusters, **parameters)
    return assign(assigner.fit(rows, random_state=seed), rows).argmax(axis=1)


def test_elongated_blobs_are_told_apart_where_k_means_fails():
    """A long axis that all clusters share cuts k-means' clusters, not these."""
    rows, kinds = draw_blobs([100] * 3, seed=2, spread=0.2, long=0.4, distance=0.5)
    centered = rows - rows.mean(axis=0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    for space in (rows, centered):
        by_means = KMeans(3, n_init=10, random_state=0).fit_predict(space)
        assert clustering_accuracy(kinds, by_means) < 0.8
    assert clustering_accuracy(kinds, fit_labels(rows, shrinkage=0.1)) > 0.85


@pytest.mark.parametrize(("n_clusters", "distance"), [(3, 0.5), (10, 1.0)])
def test_overlapping_blobs_are_no_worse_than_with_k_means(n_clusters, distance):
    rng, kinds = np.random.default_rng(0), np.arange(600) % n_clusters
    means = distance * rng.standard_normal((n_clusters, 16))
    rows = (means[kinds] + rng.standard_normal((600, 16))).astype("f4")
    by_means = KMeans(n_clusters, n_init=10, random_state=0).fit_predict(rows)
    accuracy = clustering_accuracy(kinds, fit_labels(rows, n_clusters))
    assert accuracy > clustering_accuracy(kinds, by_means) - 0.1


def test_a_mixture_of_many_rows_is_found_in_some(monkeypatch):
    """Then all are labeled by it; labels to start from are drawn with their rows."""
    rows, kinds = draw_blobs([800, 600, 400])
    monkeypatch.setattr(mixture_module, "_MOST_ROWS", 300)
    monkeypatch.setattr(mixture_module, "_ROWS_PER_CLUSTER", 10)
    for start in (None, kinds):
        assigner = MixtureAssigner(8, 3, balance=0.0)
        assigner.fit(rows, random_state=0, labels=start)
        assert clustering_accuracy(kinds, assigner.label(rows)) > 0.99


def test_balance_makes_masses_equal():
    sizes = [140, 40, 20]
    rows, kinds = draw_blobs(sizes)
    masses = {}
    for balance in (0.0, 1.0):
        assigner = MixtureAssigner(8, 3, balance=balance).fit(rows, random_state=0)
        masses[balance] = np.sort(assign(assigner, rows).sum(axis=0))[::-1]
    assert_allclose(masses[0.0], sizes, rtol=0.1)
    assert_allclose(masses[1.0], 200 / 3, rtol=0.1)
    assert clustering_accuracy(kinds, fit_labels(rows, balance=0.0)) > 0.98


def test_shuffled_rows_get_shuffled_labels():
    rows, _ = draw_blobs([30, 50, 40])
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = fit_labels(rows[order])
    assert clustering_accuracy(fit_labels(rows)[order], shuffled) == 1


@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize(
    ("rows", "n_clusters"),
    [
        (np.ones((6, 4)), 3),
        (np.zeros((6, 4)), 3),
        (np.eye(4), 1),
        (np.eye(4), 4),
        (np.ones((1, 4)), 1),
        (np.eye(4)[[0, 0, 0, 1]], 4),
    ],
    ids=["identical", "zeros", "one cluster", "K = n", "one row", "duplicates"],
)
@pytest.mark.filterwarnings("error")
def test_degenerate_embeddings_are_labeled_in_silence(rows, n_clusters, balance):
    """Nothing crashes or warns; distinct rows get a cluster each if there is one."""
    rows = rows.astype(np.float32)
    assigner = MixtureAssigner(4, n_clusters, balance=balance)
    probabilities = assign(assigner.fit(rows, random_state=0), rows)
    assert probabilities.shape == (len(rows), n_clusters)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    if n_clusters == len(np.unique(rows, axis=0)):
        assert len(set(probabilities.argmax(axis=1))) == n_clusters


def test_state_goes_into_another_assigner():
    """All that was learned is in the state dict; bfloat16 embeddings are welcome."""
    rows, _ = draw_blobs([20] * 3)
    fitted = MixtureAssigner(8, 3).fit(rows, random_state=0)
    copy = MixtureAssigner(8, 3)
    assert not np.allclose(assign(copy, rows), assign(fitted, rows))
    copy.load_state_dict(fitted.state_dict())
    assert_array_equal(assign(copy, rows), assign(fitted, rows))
    assert copy(torch.from_numpy(rows).bfloat16()).dtype == torch.float32


def dense_fit(rows, n_clusters, balance, temperature, shrinkage):
    """Fit weight and bias with whole (n_samples, n_clusters) arrays, as once written.

    Classification EM from k-means: means, pooled covariance shrunk to the sphere, 20
    rounds of balancing offsets, labels.
    """
    x = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    labels = KMeans(n_clusters, n_init=10, random_state=0).fit_predict(x)
    x = x.astype(np.float64)
    for _ in range(40):
        members = np.eye(n_clusters)[labels]
        mass = members.sum(axis=0) + 1e-9
        means = members.T @ x / mass[:, None]
        within = (x.T @ x - (means.T * mass) @ means) / len(x)
        covariance = within + shrinkage * x.var(axis=0).mean() * np.eye(x.shape[1])
        precise = np.linalg.solve(covariance, means.T).T
        logits = (x @ precise.T - 0.5 * (precise * means).sum(axis=1)) / temperature
        level = np.zeros(n_clusters)
        for _ in range(20):
            soft = softmax(logits + level, axis=1)
            level -= np.log(n_clusters * soft.mean(axis=0) + 1e-12)
        share = np.log(mass / len(x)) / temperature
        logits = logits + balance * level + (1 - balance) * share
        before, labels = labels, logits.argmax(axis=1)
        if (labels != before).mean() <= 1e-4:
            break
    return softmax(logits, axis=1)


@pytest.mark.parametrize("balance", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("temperature", "shrinkage"), [(2.0, 1.0), (1.5, 0.2)])
@pytest.mark.parametrize("block_rows", [7, 4096])
def test_blocks_give_what_whole_arrays_give(
    monkeypatch, balance, temperature, shrinkage, block_rows
):
    monkeypatch.setattr(mixture_module, "_BLOCK_ROWS", block_rows)
    rows, _ = draw_blobs([140, 90, 60, 10], spread=0.5)
    sizes = {"temperature": temperature, "shrinkage": shrinkage}
    mixture = MixtureAssigner(8, 4, balance=balance, **sizes).fit(rows, random_state=0)
    expected = dense_fit(rows, 4, balance, **sizes)
    assert_allclose(assign(mixture, rows), expected, atol=1e-4)


def test_memory_does_not_grow_with_rows_times_clusters(monkeypatch):
    n_samples, n_clusters = 60_000, 200
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n_samples, 16)).astype(np.float32)
    # Not ours, and slow.
    random_labels = lambda rows, k, seed: rng.integers(0, k, len(rows))  # noqa: E731
    monkeypatch.setattr(mixture_module, "kmeans_labels", random_labels)
    monkeypatch.setattr(mixture_module, "_MOST_ROUNDS", 1)
    monkeypatch.setattr(mixture_module, "_BALANCE_ROUNDS", 2)
    mixture = MixtureAssigner(16, n_clusters)
    tracemalloc.start()
    try:
        mixture.fit(rows, random_state=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n_samples * n_clusters * 8 / 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_has_diverged_is_told(value):
    rows, _ = draw_blobs([20] * 3)
    rows[7, 2] = value
    with pytest.raises(FloatingPointError, match=r"diverged.*learning_rate"):
        MixtureAssigner(8, 3).fit(rows, random_state=0)
