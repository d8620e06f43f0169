"""Tests of the qualities of a clustering."""

import itertools
import math

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV

from sklearn_mfavb.metrics import (
    clustering_accuracy,
    clustering_accuracy_scorer,
    clustering_summary,
    neighbor_agreement,
    neighbor_information,
)


@pytest.mark.parametrize(
    ("labels_true", "labels_pred", "expected"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.5),
        ([0, 0, 1, 1], [0, 0, 0, 0], 0.5),
        ([0, 0, 0, 0], [0, 1, 2, 2], 0.5),
        ([0, 0, 1, 1, 2, 2], [5, 5, 5, 9, 9, 9], 4 / 6),
        (["a", "b", "b"], [-1, -7, -7], 1.0),
        ([3], ["only"], 1.0),
    ],
)
def test_accuracy_of_known_tables(labels_true, labels_pred, expected):
    assert clustering_accuracy(labels_true, labels_pred) == pytest.approx(expected)


@pytest.mark.parametrize("n_clusters", [2, 3, 4])
def test_accuracy_is_the_best_over_all_namings(n_clusters):
    rng = np.random.default_rng(0)
    labels_true, labels_pred = rng.integers([[3], [n_clusters]], size=(2, 30))
    names = [*range(3), *[-1] * n_clusters]  # -1: a cluster left without a class
    best = max(
        np.mean(np.take(naming, labels_pred) == labels_true)
        for naming in itertools.permutations(names, n_clusters)
    )
    assert clustering_accuracy(labels_true, labels_pred) == pytest.approx(best)


@pytest.mark.parametrize(
    ("labels_true", "labels_pred", "message"),
    [
        ([0, 1], [0, 1, 2], "inconsistent numbers of samples"),
        ([], [], "labels_true must hold at least one label"),
        ([[0, 1], [1, 0]], [0, 1], "1d"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(labels_true, labels_pred, message):
    with pytest.raises(ValueError, match=message):
        clustering_accuracy(labels_true, labels_pred)


def test_summary_holds_the_three_measures():
    summary = clustering_summary([0, 0, 1, 1], [0, 0, 1, 2])
    # I = log 2, entropies log 2 and 1.5 log 2: NMI = 1 / 1.25 = 0.8.
    # Pairs: 1 in both, 2 and 1 of 6 in each: ARI = (1 - 1/3) / (3/2 - 1/3) = 4/7.
    assert summary == pytest.approx({"acc": 0.75, "nmi": 0.8, "ari": 4 / 7})
    assert all(type(value) is float for value in summary.values())


def test_scorer_chooses_the_right_number_of_clusters():
    points, blobs = make_blobs(60, centers=3, cluster_std=0.1, random_state=0)
    kmeans, grid = KMeans(n_init=5, random_state=0), {"n_clusters": [2, 3, 5]}
    search = GridSearchCV(kmeans, grid, scoring=clustering_accuracy_scorer, cv=2)
    search.fit(points, blobs)
    assert search.best_params_ == {"n_clusters": 3}
    assert search.best_score_ == 1.0


def ring(n_samples, n_neighbors=2):
    """Return the next rows of each row on a circle."""
    rows = np.arange(n_samples)[:, np.newaxis]
    return (rows + np.arange(1, n_neighbors + 1)) % n_samples


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_information_of_neighbors_within_clusters(n_clusters):
    """Balanced clusters that no neighbor leaves reach the log of their number."""
    labels = np.repeat(np.arange(n_clusters), 3)
    neighbors = np.concatenate([ring(3) + 3 * start for start in range(n_clusters)])
    information = neighbor_information(labels, neighbors)
    assert information == pytest.approx(math.log(n_clusters))


def test_agreement_is_one_within_clusters_and_zero_by_chance():
    labels, rng = np.repeat(np.arange(10), 10), np.random.default_rng(1)
    within = (ring(100, 3) % 10) + 10 * labels[:, np.newaxis]
    by_chance = [neighbor_agreement(rng.permutation(labels), within) for _ in range(20)]
    assert neighbor_agreement(labels, within) == pytest.approx(1)
    assert np.mean(by_chance) == pytest.approx(0, abs=0.02)
    assert neighbor_agreement(np.zeros(100), within) == 0


def test_information_equals_the_sum_over_pairs_of_clusters():
    """The value is that of a table counted pair by pair, both ways round."""
    rng = np.random.default_rng(0)
    labels, neighbors = rng.integers(4, size=20), rng.integers(20, size=(20, 3))
    joint = np.zeros((4, 4))
    for image, row in enumerate(neighbors):
        for neighbor in row:
            joint[labels[image], labels[neighbor]] += 1 / 120
            joint[labels[neighbor], labels[image]] += 1 / 120
    expected = sum(
        joint[a, b] * math.log(joint[a, b] / (joint[a].sum() * joint[:, b].sum()))
        for a, b in itertools.product(range(4), repeat=2)
        if joint[a, b] > 0
    )
    assert neighbor_information(labels, neighbors) == pytest.approx(expected)


def test_information_ignores_the_names_of_clusters():
    labels = np.arange(12) // 4
    expected = neighbor_information(labels, ring(12))
    assert expected > 0.1
    assert neighbor_information(np.array([-9, 40, 7])[labels], ring(12)) == expected
    assert neighbor_information(np.array(["x", "z", "y"])[labels], ring(12)) == expected


def test_without_neighbors_there_is_no_information():
    nobody = np.empty((1, 0), dtype=np.int64)
    assert neighbor_information([4], nobody) == neighbor_agreement([4], nobody) == 0.0


@pytest.mark.parametrize(
    ("neighbors", "message"),
    [
        ([[1], [0]], r"shape \(3, n_neighbors\).*got \(2, 1\)"),
        ([1, 0, 0], r"got \(3,\)"),
        ([[1], [0], [3]], "from 0 to 2, got values from 0 to 3"),
        ([[1], [0], [-1]], "from 0 to 2, got values from -1 to 1"),
    ],
)
def test_neighbors_that_do_not_fit_the_labels_are_refused(neighbors, message):
    with pytest.raises(ValueError, match=message):
        neighbor_information([0, 1, 1], neighbors)
