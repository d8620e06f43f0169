"""The number of clusters, found without labels."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.sparse import coo_matrix
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sklearn_mfavb import NClustersSelector
from sklearn_mfavb.model_selection import _mean_silhouette, _modularity


def make_rows(n_clusters, *, n_samples=300, dtype=np.float64, random_state=0):
    """Draw rows around directions that are far from each other."""
    X, _ = make_blobs(
        n_samples, n_features=20, centers=n_clusters, random_state=random_state
    )
    return X.astype(dtype)


@pytest.fixture
def rows():
    """Return 300 rows in four clusters."""
    return make_rows(4)


@parametrize_with_checks([NClustersSelector()])
def test_scikit_learn_checks(estimator, check):
    """The selector is a good citizen of scikit-learn; nothing is expected to fail."""
    check(estimator)


def test_enough_checks_are_collected():
    """A green run is not an empty one."""
    assert len(list(estimator_checks_generator(NClustersSelector()))) >= 30


@pytest.mark.parametrize("n_clusters", [2, 3, 5, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clear_clusters_are_counted(n_clusters, dtype):
    """Blobs that are far apart are found, however many there are."""
    X = make_rows(n_clusters, dtype=dtype)
    assert NClustersSelector(max_clusters=12, random_state=0).fit(X).n_clusters_ == (
        n_clusters
    )


def naive_neighbors(unit, n_neighbors):
    """Return for each row the set of its nearest rows, without itself."""
    similarity = cosine_similarity(unit)
    np.fill_diagonal(similarity, -np.inf)
    return [set(row.argsort()[::-1][:n_neighbors].tolist()) for row in similarity]


def naive_modularity(weights, labels):
    """Sum over pairs of one cluster what their weight has beyond chance."""
    degrees = weights.sum(axis=1)
    beyond = weights / weights.sum() - np.outer(degrees, degrees) / weights.sum() ** 2
    return beyond[labels[:, None] == labels].sum()


def test_scores_are_those_of_naive_formulas(rows):
    """The three curves are what scikit-learn's clusters and plain loops give."""
    selector = NClustersSelector(2, 6).fit(rows)
    unit = normalize(rows)
    unit = normalize(unit - unit.mean(axis=0))
    near, around = naive_neighbors(unit, 10), naive_neighbors(unit, 30)
    around = [others | {i} for i, others in enumerate(around)]
    edges = np.array([[(j in a) + 0.0 for j in range(300)] for a in near])
    jaccard = np.array([[len(a & b) / len(a | b) for b in around] for a in around])
    np.fill_diagonal(jaccard, 0)
    expected = []
    for k in range(2, 7):
        average = AgglomerativeClustering(k, metric="cosine", linkage="average")
        ward = AgglomerativeClustering(k).fit_predict(unit)
        expected.append(
            (
                silhouette_score(unit, average.fit_predict(unit), metric="cosine"),
                naive_modularity(edges + edges.T, ward),
                naive_modularity(jaccard, ward),
            )
        )
    assert_array_equal(selector.n_clusters_values_, [2, 3, 4, 5, 6])
    assert_allclose(selector.scores_, expected, atol=1e-10)
    assert_array_equal(selector.estimates_, 2 + np.argmax(expected, axis=0))


def test_number_is_the_median_of_the_estimates():
    """One criterion that is far off does not move it."""
    blobs = make_rows(6, n_samples=120, random_state=3)
    rows = np.random.default_rng(0).normal(size=(120, 20)) * 4 + blobs
    selector = NClustersSelector(max_clusters=20).fit(rows)
    assert_array_equal(selector.estimates_, [6, 6, 3])
    assert selector.n_clusters_ == 6
    best = selector.scores_.max(axis=0)
    chosen = np.searchsorted(selector.n_clusters_values_, selector.estimates_)
    assert_array_equal(selector.scores_[chosen, range(3)], best)


def test_small_clusters_are_counted():
    """Sizes may differ ten times."""
    sizes = [150, 70, 32, 15]
    X, _ = make_blobs(
        sizes, n_features=20, centers=None, random_state=0, center_box=(-8, 8)
    )
    assert NClustersSelector(max_clusters=12).fit(X).n_clusters_ == 4


def test_modularity_of_one_cluster_is_zero_and_of_separate_pairs_known():
    """Two pairs without an edge between them have modularity one half."""
    edges = coo_matrix([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    assert _modularity(edges, np.zeros(4, dtype=int)) == 0
    assert _modularity(edges, np.array([0, 0, 1, 1])) == 0.5


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
    """Clusters at one and the same point are neither good nor bad, and not NaN."""
    assert _mean_silhouette(np.ones((4, 2)), np.array([0, 0, 1, 1])) == 0


@pytest.mark.parametrize("change", ["length", "scale", "order"])
def test_estimate_depends_on_directions_only(rows, change):
    """The length of single rows, the unit, and the order of rows do not count."""
    rng = np.random.default_rng(0)
    changed = {
        "length": rows * rng.uniform(0.5, 2, size=(300, 1)),
        "scale": rows * 1e4,
        "order": rows[rng.permutation(300)],
    }[change]
    first, second = (
        NClustersSelector(max_clusters=8, random_state=0).fit(X)
        for X in (rows, changed)
    )
    assert first.n_clusters_ == second.n_clusters_ == 4
    assert_allclose(first.scores_[2], second.scores_[2], atol=1e-9)


def test_same_seed_same_curve(rows):
    """The curve is a function of the rows and the seed; global state is left alone."""
    before = np.random.get_state()[1].copy()
    noise = np.random.default_rng(0).normal(size=(200, 6))
    curves = [
        NClustersSelector(max_clusters=8, max_samples=100, random_state=seed)
        .fit(noise)
        .scores_
        for seed in (0, 0, 1)
    ]
    assert_array_equal(curves[0], curves[1])
    assert (curves[0] != curves[2]).any()
    assert_array_equal(np.random.get_state()[1], before)


def test_at_most_max_samples_rows_are_compared():
    """So many rows are drawn, from all of X, and all of a smaller X."""
    X, clusters = make_blobs(500, n_features=20, centers=4, random_state=0)
    X = X[clusters.argsort()]  # the first rows are of one cluster
    drawn = np.random.RandomState(0).permutation(500)[:100]
    part, some, whole, everything = (
        NClustersSelector(2, 5, max_samples=max_samples, random_state=0).fit(rows)
        for max_samples, rows in ((None, X[drawn]), (100, X), (500, X), (None, X))
    )
    assert_array_equal(part.scores_, some.scores_)
    assert_array_equal(whole.scores_, everything.scores_)
    assert (some.scores_ != whole.scores_).any()
    assert some.n_clusters_ == whole.n_clusters_ == 4


def test_input_is_left_alone(rows):
    """Rows are not normalized in place, even if none are drawn."""
    before = rows.copy()
    NClustersSelector(max_clusters=5).fit(rows)
    assert_array_equal(rows, before)


def test_half_precision_bytes_and_read_only_maps_are_rows(tmp_path):
    """Features as they are stored, and pixels, can be given."""
    X = make_rows(3, n_samples=60)
    np.save(tmp_path / "rows.npy", X.astype(np.float16))
    half = np.load(tmp_path / "rows.npy", mmap_mode="r")
    levels = (X * 6 + 120).clip(0, 255).astype(np.uint8)
    for rows in (half, levels, X.tolist()):
        selector = NClustersSelector(max_clusters=6, random_state=0).fit(rows)
        assert selector.n_clusters_ == 3


def test_rows_of_zeros_are_rows():
    """A black image has no direction; it does not stop the others."""
    X = make_rows(3, n_samples=90)
    X[0] = 0
    selector = NClustersSelector(max_clusters=6, random_state=0).fit(X)
    assert selector.n_clusters_ == 3
    assert np.isfinite(selector.scores_).all()


def test_only_a_range_may_be_tried(rows):
    """The smallest number need not be 2, and the range may be one number."""
    selector = NClustersSelector(6, 6, random_state=0).fit(rows)
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
        ({"max_samples": 2}, "max_samples"),
        ({"random_state": "seed"}, "random_state"),
    ],
)
def test_impossible_parameters_are_named(parameters, message):
    """An error says which parameter is wrong, and what was seen."""
    X = make_rows(3, n_samples=12)
    with pytest.raises(ValueError, match=message):
        NClustersSelector(**parameters).fit(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((50, 3)), "All 50 rows of X have the same direction"),
        (np.zeros((50, 3)), "All 50 rows of X have the same direction"),
        (np.outer(np.arange(1, 51), [0.1, 0.7, -0.3]), "the same direction"),
        (np.full((50, 3), np.nan), "NaN"),
        (np.full((50, 3), np.inf), "infinity"),
        (np.ones((50, 0)), "0 feature"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_without_clusters_are_refused(X, dtype, message):
    """Constant, duplicated, missing and endless values give a clear error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
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


@pytest.mark.parametrize("name", ["min_clusters", "max_clusters"])
def test_too_few_different_rows_are_told(name):
    """A number that could not be found is refused, with what there is."""
    X = np.repeat(np.eye(5), 10, axis=0)
    with pytest.raises(ValueError, match=f"{name}=6 .* different direction, 5"):
        NClustersSelector(**{name: 6}).fit(X)


@pytest.mark.parametrize(
    "X",
    [
        "photos",
        Path("photos"),
        ["a.png", "b.png"],
        [Path("a.png"), Path("b.png")],
        pd.DataFrame({"path": ["a.png", "b.png"]}),
        np.array(["a.png", "b.png"]),
        np.zeros((50, 8, 8), dtype=np.uint8),
        [np.zeros((8, 8)), np.zeros((9, 8))],
        [Image.new("L", (8, 8))] * 3,
        torch.zeros(5, 3, 8, 8),
    ],
    ids=[
        *("folder", "path", "files", "paths", "table", "column"),
        *("array", "arrays", "PIL", "tensor"),
    ],
)
def test_images_are_told_to_become_features(X):
    """What the estimators take is refused, and the error says what to pass."""
    with pytest.raises(ValueError, match="rows of features: pass CLIPFeatures"):
        NClustersSelector().fit(X)


def test_duplicates_do_not_matter():
    """Every row twice gives the same clusters, and duplicates are no reason to warn."""
    X = make_rows(3, n_samples=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = NClustersSelector(max_clusters=8, random_state=0)
        assert selector.fit(np.repeat(X, 2, axis=0)).n_clusters_ == 3
