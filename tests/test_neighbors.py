"""Tests of the nearest neighbors and of pixels as features."""

import sys

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import interpolate

import sklearn_mfavb.neighbors._search as module
from sklearn_mfavb.neighbors import nearest_neighbors, pixel_features


def draw_features(n_samples=60, n_features=7, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)).astype(dtype)


def reference(features, n_neighbors, metric):
    """Search by brute force; without a query, a row is not its own neighbor."""
    search = NearestNeighbors(
        n_neighbors=n_neighbors, metric=metric, algorithm="brute"
    ).fit(features)
    return search.kneighbors(return_distance=False)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block_rows", [1, 7, 59, 60, 1000])
def test_equals_brute_force_for_any_size_of_block(metric, dtype, block_rows):
    features = draw_features(dtype=dtype)
    neighbors = nearest_neighbors(
        features, 5, metric=metric, block_bytes=block_rows * 60 * features.itemsize
    )
    assert neighbors.dtype == np.int64
    np.testing.assert_array_equal(neighbors, reference(features, 5, metric))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_small_differences_far_from_the_origin_are_seen(metric):
    offset = np.linspace(50, 100, 7)
    features = draw_features() + offset
    np.testing.assert_array_equal(
        nearest_neighbors(features.astype(np.float32), 3, metric=metric)[:, 0],
        reference(features, 3, metric)[:, 0],
    )


def draw_manifold(n_samples, n_features=30):
    """Draw clusters that vary in few directions, as features of images do."""
    rng = np.random.default_rng(0)
    centers, ways = rng.normal(size=(20, n_features)), rng.normal(size=(6, n_features))
    within = rng.normal(size=(n_samples, 6)) @ ways / 4
    noise = rng.normal(size=(n_samples, n_features)) / 20
    return centers[rng.integers(20, size=n_samples)] + within + noise


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_approximate_search_finds_nearly_all(metric):
    """Of float16 too, in any number of columns, and never the row itself."""
    features = draw_manifold(4000).astype(np.float16)
    found = nearest_neighbors(features, 5, metric=metric, method="approximate")
    expected = nearest_neighbors(features, 5, metric=metric)
    shared = [len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]
    assert found.shape == expected.shape
    assert found.dtype == np.int64
    assert np.mean(shared) / 5 >= 0.95
    assert not (found == np.arange(4000)[:, None]).any()
    again = nearest_neighbors(features, 5, metric=metric, method="approximate")
    np.testing.assert_array_equal(found, again)


def test_approximate_search_sees_small_differences_far_from_the_origin():
    features = draw_manifold(2000).astype(np.float32)
    found = nearest_neighbors(features + 300, 5, method="approximate")
    near = nearest_neighbors(features, 5, method="approximate")
    assert (found == near).mean() > 0.95


def test_approximate_search_copes_with_rows_that_are_all_alike():
    """Their neighbors are any of them, or a row itself where too few are found."""
    found = nearest_neighbors(np.ones((2000, 4)), 3, method="approximate")
    assert found.shape == (2000, 3)
    assert found.min() >= 0


def test_the_search_of_few_rows_is_exact():
    features = draw_features(300)
    found = nearest_neighbors(features, 3, method="approximate")
    np.testing.assert_array_equal(found, reference(features, 3, "euclidean"))


def test_auto_is_exact_and_warns_where_faiss_is_missing(monkeypatch):
    """Asked for, approximate search is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setitem(module._MOST_EXACT, "cpu", 1500)
    features = draw_manifold(1600)
    with pytest.warns(UserWarning, match=r"pip install sklearn-mfavb\[large\]"):
        found = nearest_neighbors(features, 2, method="auto")
    np.testing.assert_array_equal(found, nearest_neighbors(features, 2))
    with pytest.raises(ImportError, match=r"needs faiss: pip install .*method='exact'"):
        nearest_neighbors(features, 2, method="approximate")


def test_auto_is_approximate_for_many_rows(monkeypatch):
    monkeypatch.setitem(module._MOST_EXACT, "cpu", 1500)
    few, many = draw_manifold(1500), draw_manifold(2500)
    exact = nearest_neighbors(few, 2)
    np.testing.assert_array_equal(nearest_neighbors(few, 2, method="auto"), exact)
    approximate = nearest_neighbors(many, 2, method="approximate")
    np.testing.assert_array_equal(
        nearest_neighbors(many, 2, method="auto"), approximate
    )


def test_duplicates_are_neighbors_but_a_row_is_not_its_own():
    features = np.repeat([[0.0, 0.0], [3.0, 4.0]], 3, axis=0)
    neighbors = nearest_neighbors(features, 4)
    assert neighbors[:, :2].tolist() == [[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]
    assert not (neighbors == np.arange(6)[:, np.newaxis]).any()


def test_a_row_of_zeros_has_cosine_zero():
    features = np.array([[1.0, 0.0], [-1.0, 0.1], [0.0, 0.0], [2.0, 1.0]])
    neighbors = nearest_neighbors(features, 3, metric="cosine")
    assert neighbors[0].tolist() == [3, 2, 1]


@pytest.mark.parametrize("n_samples", [1, 2, 5])
def test_more_neighbors_than_other_rows_gives_all_of_them(n_samples):
    neighbors = nearest_neighbors(draw_features(n_samples), 9)
    assert neighbors.shape == (n_samples, n_samples - 1)
    for row, others in enumerate(neighbors):
        assert sorted([row, *others]) == list(range(n_samples))


def test_any_kind_of_number_is_accepted():
    features = np.random.default_rng(0).permutation(40).reshape(20, 2)
    expected = reference(features, 1, "euclidean")
    distances = np.square(features[:, np.newaxis] - features).sum(axis=2)
    closest = distances[np.arange(20), expected[:, 0]]
    for kind in (
        features,
        features.astype(np.uint8),
        torch.tensor(features, dtype=torch.bfloat16),
        torch.tensor(features, dtype=torch.float32, requires_grad=True),
    ):
        found = nearest_neighbors(kind, 1)[:, 0]
        np.testing.assert_array_equal(distances[np.arange(20), found], closest)


@pytest.mark.parametrize(
    ("features", "arguments", "message"),
    [
        (np.ones(3), {}, r"features must be of shape .* got \(3,\)"),
        (np.ones((0, 3)), {}, "at least one row"),
        (np.array([[0.0], [np.nan]]), {}, "features must be finite"),
        (np.ones((3, 1)), {"n_neighbors": 0}, "n_neighbors must be at least 1, got 0"),
        (np.ones((3, 1)), {"metric": "manhattan"}, "metric .*'manhattan'"),
    ],
)
def test_arguments_without_an_answer_are_named(features, arguments, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(features, **{"n_neighbors": 1, **arguments})


def test_small_images_become_their_pixels():
    """Up to 16 pixels a side nothing is averaged, and uint8 is scaled to 0 to 1."""
    images = torch.randint(256, (4, 3, 16, 9), dtype=torch.uint8)
    features = pixel_features(images)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, images.flatten(1) / 255)
    torch.testing.assert_close(pixel_features(images.double() / 255), features)


def test_large_images_are_averaged():
    """A side that is a multiple of 16 is averaged over equal areas."""
    images = torch.rand(2, 1, 64, 32)
    expected = interpolate(images, size=(16, 16), mode="area").flatten(1)
    torch.testing.assert_close(pixel_features(images), expected)
    assert pixel_features(torch.rand(2, 3, 50, 7)).shape == (2, 3 * 16 * 7)
