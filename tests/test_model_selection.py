"""The number of clusters, found without labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import normalize

from sklearn_mfavb import NClustersSelector
from sklearn_mfavb.model_selection import _mean_silhouette


def make_rows(n_clusters, n_samples=300):
    X, _ = make_blobs(n_samples, n_features=20, centers=n_clusters, random_state=0)
    return X


def select(X, **parameters):
    parameters = {"max_clusters": 8, "random_state": 0, **parameters}
    return NClustersSelector(**parameters).fit(X)


@pytest.fixture
def rows():
    return make_rows(4)


@pytest.mark.parametrize("n_clusters", [2, 3, 5, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clear_clusters_are_counted(n_clusters, dtype):
    X = make_rows(n_clusters).astype(dtype)
    assert select(X, max_clusters=12).n_clusters_ == n_clusters


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(np.float16),
        lambda X: (X * 6 + 120).clip(0, 255).astype(np.uint8),
        np.ndarray.tolist,
        lambda X: np.broadcast_to(X, X.shape),
        lambda X: np.vstack([X, np.zeros(20)]),
        lambda X: np.repeat(X, 2, axis=0),
    ],
    ids=["half", "bytes", "list", "read-only", "a row without direction", "duplicates"],
)
@pytest.mark.filterwarnings("error")
def test_rows_of_any_kind_are_rows(change):
    selector = select(change(make_rows(3, n_samples=60)))
    assert selector.n_clusters_ == 3
    assert np.isfinite(selector.scores_).all()


def test_scores_are_silhouettes_of_kmeans_by_the_cosine(rows):
    selector = NClustersSelector(2, 6, n_init=1, random_state=3).fit(rows)
    seed = np.random.RandomState(3).randint(np.iinfo(np.int32).max)
    unit = normalize(rows)
    unit = normalize(unit - unit.mean(axis=0))
    labels = (
        KMeans(k, n_init=1, random_state=seed).fit_predict(unit) for k in range(2, 7)
    )
    expected = [silhouette_score(unit, each, metric="cosine") for each in labels]
    assert_array_equal(selector.n_clusters_values_, [2, 3, 4, 5, 6])
    assert_allclose(selector.scores_, expected, atol=1e-10)
    assert selector.n_clusters_ == 2 + np.argmax(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silhouette_equals_that_from_all_pairs(dtype):
    """Means of clusters give the same as pairs of rows, of any length, alone or not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(dtype)
    labels = rng.integers(0, 3, size=60)
    labels[7], labels[8] = 3, 4  # alone
    X[20:30] = X[20]
    expected = silhouette_score(X, labels, metric="sqeuclidean")
    assert _mean_silhouette(X, labels) == pytest.approx(expected, abs=1e-5)


def test_silhouette_of_coinciding_clusters_is_zero():
    assert _mean_silhouette(np.ones((4, 2)), np.array([0, 0, 1, 1])) == 0


def test_silhouette_ignores_empty_clusters():
    X = make_rows(3, n_samples=30)
    labels = np.repeat([0, 1, 2], 10)
    assert _mean_silhouette(X, labels * 2) == _mean_silhouette(X, labels)


@pytest.mark.parametrize("change", ["length", "scale", "order"])
def test_estimate_depends_on_directions_only(rows, change):
    rng = np.random.default_rng(0)
    changed = {
        "length": rows * rng.uniform(0.5, 2, size=(300, 1)),
        "scale": rows * 1e4,
        "order": rows[rng.permutation(300)],
    }[change]
    first, second = select(rows), select(changed)
    assert first.n_clusters_ == second.n_clusters_ == 4
    assert_allclose(first.scores_[2], second.scores_[2], atol=1e-9)


def test_same_seed_same_curve():
    before = np.random.get_state()[1].copy()
    noise = np.random.default_rng(0).normal(size=(200, 6))
    first, again, other = (
        select(noise, max_samples=100, random_state=seed).scores_ for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert (first != other).any()
    assert_array_equal(np.random.get_state()[1], before)


def test_at_most_max_samples_rows_are_compared(monkeypatch):
    seen = []
    fit_predict = KMeans.fit_predict

    def spy(self, X, *arguments):
        seen.append(len(X))
        return fit_predict(self, X, *arguments)

    monkeypatch.setattr(KMeans, "fit_predict", spy)
    X, clusters = make_blobs(500, n_features=20, centers=4, random_state=0)
    X = X[clusters.argsort()]  # the first rows are of one cluster
    for max_samples in (100, 500, None):
        assert select(X, max_clusters=5, max_samples=max_samples).n_clusters_ == 4
    assert seen == [100] * 4 + [500] * 8


def test_only_a_range_may_be_tried(rows):
    selector = select(rows, min_clusters=6, max_clusters=6)
    assert selector.n_clusters_ == 6
    assert_array_equal(selector.n_clusters_values_, [6])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"min_clusters": 1}, "min_clusters"),
        ({"min_clusters": 12}, "min_clusters=12 .* n_samples = 12"),
        ({"max_clusters": "all"}, "max_clusters"),
        ({"min_clusters": 5, "max_clusters": 4}, "min_clusters=5 .* max_clusters=4"),
        ({"max_clusters": 12}, "max_clusters=12 .* n_samples = 12"),
        ({"max_clusters": 11, "max_samples": 11}, "max_clusters=11 .* n_samples = 11"),
        ({"max_clusters": 2.5}, "max_clusters"),
        ({"n_init": 0}, "n_init"),
        ({"max_samples": 2}, "max_samples"),
        ({"random_state": "seed"}, "random_state"),
    ],
)
def test_impossible_parameters_are_named(parameters, message):
    X = make_rows(3, n_samples=12)
    with pytest.raises(ValueError, match=message):
        NClustersSelector(**parameters).fit(X)


@pytest.mark.parametrize(
    "X",
    [np.ones((50, 3)), np.zeros((50, 3)), np.outer(np.arange(1, 51), [0.1, 0.7, -0.3])],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_rows_without_clusters_are_refused(X, dtype):
    with pytest.raises(ValueError, match="All 50 rows of X have the same direction"):
        NClustersSelector(random_state=0).fit(X.astype(dtype))


@pytest.mark.parametrize(
    ("X", "largest"),
    [
        (make_rows(3, n_samples=3), 2),
        (make_rows(3, n_samples=4), 2),
        (make_rows(3, n_samples=25), 12),
        (make_rows(3, n_samples=100), 30),
        (np.repeat(np.eye(5), 10, axis=0), 5),
    ],
    ids=["3", "4", "25", "100", "five different rows"],
)
def test_auto_tries_no_more_than_rows_allow(X, largest):
    """By default at most 30 are tried, half the number of rows, or all that differ."""
    selector = NClustersSelector(random_state=0).fit(X)
    assert_array_equal(selector.n_clusters_values_, range(2, largest + 1))


def test_too_few_different_rows_are_told():
    X = np.repeat(np.eye(5), 10, axis=0)
    for name in ("min_clusters", "max_clusters"):
        with pytest.raises(ValueError, match=f"{name}=6 .* different direction, 5"):
            NClustersSelector(**{name: 6}).fit(X)


@pytest.mark.parametrize(
    "X",
    [
        "photos",
        Path("photos"),
        ["a.png", "b.png"],
        [Path("a.png"), Path("b.png")],
        np.zeros((50, 8, 8), dtype=np.uint8),
        [np.zeros((8, 8)), np.zeros((9, 8))],
        [Image.new("L", (8, 8))] * 3,
        torch.zeros(5, 3, 8, 8),
    ],
    ids=["folder", "path", "files", "paths", "array", "arrays", "PIL", "tensor"],
)
def test_images_are_told_to_become_features(X):
    with pytest.raises(ValueError, match="rows of features: pass CLIPFeatures"):
        NClustersSelector().fit(X)
