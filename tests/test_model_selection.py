"""The number of clusters, found without labels."""

import warnings
from pathlib import Path

import networkx
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sklearn_mfavb import NClustersSelector, model_selection
from sklearn_mfavb.metrics import neighbor_pairs
from sklearn_mfavb.model_selection import _separations


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


def test_separation_is_the_assortativity_of_two_clusters():
    """Every two clusters are as networkx has it in the graph of their rows alone."""
    rng = np.random.default_rng(0)
    labels, neighbors = rng.permutation(np.arange(60) % 3), np.array([[0]] * 60)
    for row in range(60):  # mostly of the same cluster
        near = np.flatnonzero(labels == labels[row])
        neighbors[row] = rng.choice(near if row % 4 else 60)
    found = _separations(neighbor_pairs(labels, neighbors).toarray())
    for pair in ((0, 1), (1, 2), (0, 2)):
        graph = networkx.MultiDiGraph()
        for row in np.flatnonzero(np.isin(labels, pair)):
            graph.add_node(row, kind=labels[row])
        ends = [(row, other) for row, [other] in enumerate(neighbors)]
        links = [end for end in ends if set(end) <= set(graph)]
        graph.add_edges_from([*links, *((b, a) for a, b in links)])
        expected = networkx.attribute_assortativity_coefficient(graph, "kind")
        assert_allclose([found[pair], found[pair[::-1]]], expected)
    assert np.isposinf(found.diagonal()).all()


def test_separation_by_chance_is_zero_and_that_of_lone_rows_is_not_high():
    """As many links as by chance; a row without one to itself is no cluster."""
    assert_allclose(_separations(np.array([[16.0, 8], [8, 4]]))[0, 1], 0, atol=1e-12)
    assert _separations(np.diag([5.0, 3]))[0, 1] == 1
    assert _separations(np.array([[0.0, 2], [2, 20]]))[0, 1] < 0


def test_estimates_are_the_largest_numbers_above_the_bounds(rows):
    """From the curves the numbers can be read, and of equal sizes the second counts."""
    noise = np.random.default_rng(0).normal(size=rows.shape) * 4
    for X in (rows, rows + noise, noise):
        selector = NClustersSelector(max_clusters=12).fit(X)
        for curve, bound, found in zip(
            selector.scores_.T, (0.84, 0.78), selector.estimates_, strict=True
        ):
            above = selector.n_clusters_values_[curve > bound]
            assert found == above.max(initial=2)
        assert selector.n_clusters_ in selector.estimates_
    assert (selector.scores_ < 0.7).all()  # noise has no clusters


def test_many_neighbors_count_where_sizes_are_equal(monkeypatch):
    """The first number is kept for unequal sizes, and the second taken for equal."""
    sizes = [200, 70, 25, 20, 15]
    X, _ = make_blobs(sizes, 20, centers=None, cluster_std=3, random_state=0)
    unequal = NClustersSelector().fit(X)
    monkeypatch.setattr(model_selection, "_EQUAL", 0)
    equal = NClustersSelector().fit(X)
    assert_array_equal(unequal.estimates_, equal.estimates_)
    by_few, by_many = equal.estimates_
    assert by_few != by_many
    assert (unequal.n_clusters_, equal.n_clusters_) == (by_few, by_many)


def test_large_clusters_are_not_divided_where_small_ones_are_found():
    """A cluster of 300 is one, beside two of 40 and one of 20."""
    sizes = [300, 40, 40, 20]
    found = []
    for seed in range(5):
        X, _ = make_blobs(sizes, 20, centers=None, random_state=seed, cluster_std=2)
        found.append(NClustersSelector().fit(X).n_clusters_)
    assert np.abs(np.array(found) - 4).mean() < 0.5


@pytest.mark.parametrize(("n_clusters", "n_members"), [(20, 15), (25, 20)])
def test_many_neighbors_do_not_count_where_clusters_have_fewer(n_clusters, n_members):
    """Clusters of 15 are clear, though 40 neighbors cannot all be of one of them."""
    sizes = [n_members] * n_clusters
    X, _ = make_blobs(sizes, n_features=64, random_state=0)
    assert NClustersSelector().fit(X).n_clusters_ == n_clusters


def test_small_clusters_are_counted():
    """Sizes may differ ten times."""
    sizes = [150, 70, 32, 15]
    X, _ = make_blobs(
        sizes, n_features=20, centers=None, random_state=0, center_box=(-8, 8)
    )
    assert NClustersSelector(max_clusters=12).fit(X).n_clusters_ == 4


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
