"""Mixtures with and without equal sizes, of which one is chosen."""

import networkx
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.cluster import AgglomerativeClustering

from sklearn_mfavb.assignment import MixtureAssigner, fit_sizes
from sklearn_mfavb.assignment import _sizes as sizes_module
from sklearn_mfavb.metrics import clustering_accuracy
from sklearn_mfavb.model_selection import link, unit_distances


def draw_blobs(sizes, distance, seed=0, n_dims=32):
    """Draw Gaussian blobs of unit variance around random centers."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    centers = distance * rng.standard_normal((len(sizes), n_dims))
    rows = centers[kinds] + rng.standard_normal((len(kinds), n_dims))
    return rows.astype(np.float32), kinds


def accuracy(kinds, assigner, rows):
    """Score the likeliest clusters."""
    return clustering_accuracy(kinds, assigner.label(rows))


def test_a_long_tail_is_found_where_equal_sizes_split_it():
    """A class of 200 is not cut into the sizes of those of 20."""
    ours, equal = [], []
    for seed in range(3):
        rows, kinds = draw_blobs([200, 126, 80, 50, 32, 20], distance=0.9, seed=seed)
        ours.append(accuracy(kinds, fit_sizes(rows, None, 6, seed=seed), rows))
        mixture = MixtureAssigner(32, 6, balance=1.0).fit(rows, random_state=seed)
        equal.append(accuracy(kinds, mixture, rows))
    assert np.mean(ours) > 0.93
    assert np.mean(ours) > np.mean(equal) + 0.2


def test_equal_classes_keep_what_equal_sizes_find():
    """Where classes overlap and are of one size, little is lost to the free choice."""
    lost = []
    for seed in range(5):
        rows, kinds = draw_blobs([60] * 6, distance=0.35, seed=seed)
        mixture = MixtureAssigner(32, 6, balance=1.0).fit(rows, random_state=seed)
        chosen = fit_sizes(rows, None, 6, seed=seed)
        lost.append(accuracy(kinds, mixture, rows) - accuracy(kinds, chosen, rows))
    assert np.mean(lost) < 0.03


def test_clusters_of_the_features_are_tried_too():
    """An embedding that hides the tail is read by the clusters of the features."""
    features, kinds = draw_blobs([300, 30, 30], distance=1.0)
    found = []
    for given in (None, features):
        noisy, _ = draw_blobs([300, 30, 30], distance=0.45, seed=0)
        found.append(accuracy(kinds, fit_sizes(noisy, given, 3, seed=0), noisy))
    assert found[1] >= found[0]


def test_assortativity_is_that_of_networkx():
    """The coefficient of the graph of neighbors, for labels of any sizes."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, size=40, p=[0.5, 0.3, 0.1, 0.1])
    neighbors = rng.integers(40, size=(40, 5))
    graph = networkx.MultiGraph()
    graph.add_nodes_from((i, {"kind": int(kind)}) for i, kind in enumerate(labels))
    graph.add_edges_from((i, int(j)) for i, row in enumerate(neighbors) for j in row)
    # networkx takes a loop once and other edges from both ends, which are two here.
    graph.add_edges_from([(i, i) for i, j in graph.edges() if i == j])
    expected = networkx.attribute_assortativity_coefficient(graph, "kind")
    assert_allclose(sizes_module._assortativity(labels, neighbors), expected)


@pytest.mark.parametrize("method", ["ward", "average"])
@pytest.mark.parametrize("n_clusters", [2, 7])
def test_merging_is_that_of_scikit_learn(method, n_clusters):
    rows, _ = draw_blobs([30, 20, 10], distance=0.3)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    metric = {"ward": "euclidean", "average": "cosine"}[method]
    by_rows = AgglomerativeClustering(n_clusters, metric=metric, linkage=method)
    labels = link(unit_distances(rows), n_clusters, method)
    assert clustering_accuracy(by_rows.fit_predict(rows), labels) == 1


def test_likelihood_is_that_of_gaussian_clusters_with_one_covariance():
    """Up to what is the same for all labels: differences are those of scipy."""
    rows, kinds = draw_blobs([30, 20, 10], distance=0.3, n_dims=6)
    rows -= rows.mean(axis=0)
    expected, found = [], []
    for labels in (kinds, np.roll(kinds, 7)):
        means = np.stack([rows[labels == k].mean(axis=0) for k in range(3)])
        within = rows - means[labels]
        normal = multivariate_normal(np.zeros(6), within.T @ within / len(rows))
        expected.append(normal.logpdf(within).mean())
        found.append(sizes_module._Likelihood(rows, 3)(labels))
    assert_allclose(np.diff(found), np.diff(expected), rtol=1e-3)


def test_the_same_seed_gives_the_same_clusters():
    """Bit for bit, also where images are drawn."""
    rows, _ = draw_blobs([50, 20], distance=0.5)
    first, second = (fit_sizes(rows, rows, 2, seed=3) for _ in range(2))
    assert_array_equal(first.weight, second.weight)
    assert_array_equal(first.bias, second.bias)


def test_many_images_are_clustered_by_some_and_labeled_all(monkeypatch):
    """Images that were not drawn for the linkages are labeled as well."""
    monkeypatch.setattr(sizes_module, "_MOST_ROWS", 150)
    rows, kinds = draw_blobs([300, 150, 100], distance=1.0)
    assert accuracy(kinds, fit_sizes(rows, None, 3, seed=0), rows) > 0.95


@pytest.mark.parametrize(
    ("rows", "n_clusters"),
    [
        (np.ones((12, 4), np.float32), 3),
        (np.zeros((12, 4), np.float32), 2),
        (np.eye(4, dtype=np.float32), 4),
        (np.eye(2, dtype=np.float32), 2),
        (np.ones((1, 4), np.float32), 1),
        (np.arange(12, dtype=np.float32)[:, None], 3),
        (np.repeat(np.eye(3, dtype=np.float32), 70, axis=0), 3),
        (np.random.default_rng(0).normal(size=(2300, 4)).astype(np.float32), 2100),
    ],
    ids=[
        *("equal", "zeros", "as many", "two", "one", "one column", "duplicates"),
        "many clusters",
    ],
)
def test_little_or_nothing_to_tell_apart_is_no_error(rows, n_clusters):
    """Probabilities are finite and sum to one."""
    assigner = fit_sizes(rows, rows, n_clusters, seed=0)
    probabilities = assigner(torch.from_numpy(rows))
    assert probabilities.shape == (len(rows), n_clusters)
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(len(rows)))


def test_duplicates_fall_into_their_clusters():
    """Three pictures, twenty times each."""
    rows = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    kinds = np.repeat(np.arange(3), 20)
    assert accuracy(kinds, fit_sizes(rows, None, 3, seed=0), rows) == 1


def test_the_last_image_may_be_nobodys_neighbor():
    rows, _ = draw_blobs([50] * 4, distance=2.0)
    stranger = 30 * np.ones((1, 32), np.float32)
    assigner = fit_sizes(np.concatenate([rows, stranger]), None, 4, seed=0)
    assert set(assigner.label(rows)) == {0, 1, 2, 3}


def test_one_small_cluster_among_many_is_not_made_larger():
    """The sizes are nearly equal by their entropy, and yet not equal."""
    rows, kinds = draw_blobs([100] * 9 + [30], distance=1.5, n_dims=64)
    assert accuracy(kinds, fit_sizes(rows, None, 10, seed=0), rows) == 1


def test_a_network_that_has_diverged_is_told():
    rows = np.full((40, 4), np.nan, np.float32)
    with pytest.raises(FloatingPointError, match="has diverged"):
        fit_sizes(rows, None, 2, seed=0)
