"""Labels out of embeddings by a mixture with balanced parts."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans

from sklearn_mfavb import readout as readout_module
from sklearn_mfavb.metrics import clustering_accuracy
from sklearn_mfavb.readout import MixtureReadout


def draw_blobs(sizes, seed=0, spread=0.1, long=0.1, distance=1.5):
    """Draw Gaussian blobs in eight dimensions; the first may be a long axis."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    rows = spread * rng.standard_normal((len(kinds), 8))
    rows[:, 0] = long * rng.standard_normal(len(kinds))
    rows[np.arange(len(kinds)), 1 + kinds] += distance
    return rows.astype(np.float32), kinds


def assign(readout, rows):
    """Return probabilities as an array."""
    return readout(torch.from_numpy(rows)).numpy()


def fit_labels(rows, n_clusters=3, seed=0, **parameters):
    """Fit a readout and return its labels."""
    readout = MixtureReadout(rows.shape[1], n_clusters, **parameters)
    return assign(readout.fit(rows, random_state=seed), rows).argmax(axis=1)


def test_elongated_blobs_are_told_apart_where_k_means_fails():
    """A long axis that all clusters share cuts k-means' clusters, not these."""
    rows, kinds = draw_blobs([100] * 3, seed=2, spread=0.2, long=0.4, distance=0.5)
    centered = rows - rows.mean(axis=0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    for space in (rows, centered):
        by_means = KMeans(3, n_init=10, random_state=0).fit_predict(space)
        assert clustering_accuracy(kinds, by_means) < 0.8
    assert clustering_accuracy(kinds, fit_labels(rows, shrinkage=0.1)) > 0.85


@pytest.mark.parametrize(
    ("n_clusters", "n_samples", "distance"), [(3, 600, 0.5), (10, 600, 1.0)]
)
def test_overlapping_blobs_are_no_worse_than_with_k_means(
    n_clusters, n_samples, distance
):
    """Clusters that overlap stay apart as far as k-means finds them."""
    rng = np.random.default_rng(0)
    kinds = np.arange(n_samples) % n_clusters
    means = distance * rng.standard_normal((n_clusters, 16))
    rows = (means[kinds] + rng.standard_normal((n_samples, 16))).astype("f4")
    by_means = KMeans(n_clusters, n_init=10, random_state=0).fit_predict(rows)
    accuracy = clustering_accuracy(kinds, fit_labels(rows, n_clusters))
    assert accuracy > clustering_accuracy(kinds, by_means) - 0.1


def test_balance_makes_masses_equal():
    """Unequal blobs keep their sizes without balance, and get equal mass with it."""
    sizes = [140, 40, 20]
    rows, kinds = draw_blobs(sizes)
    masses = {}
    for balance in (0.0, 1.0):
        readout = MixtureReadout(8, 3, balance=balance).fit(rows, random_state=0)
        masses[balance] = np.sort(assign(readout, rows).sum(axis=0))[::-1]
    assert_allclose(masses[0.0], sizes, rtol=0.1)
    assert_allclose(masses[1.0], 200 / 3, rtol=0.1)
    assert clustering_accuracy(kinds, fit_labels(rows, balance=0.0)) > 0.98


def test_forward_is_the_posterior_of_the_mixture(monkeypatch):
    """Probabilities are shares times densities to the power 1 / temperature."""
    monkeypatch.setattr(readout_module, "_SETTLED", -1.0)  # to the fixed point
    rows, _ = draw_blobs([60, 40, 30], spread=0.4)
    readout = MixtureReadout(8, 3, balance=0.0, temperature=1.5, shrinkage=0.2)
    posterior = assign(readout.fit(rows, random_state=0), rows).astype(np.float64)
    assert posterior.max(axis=1).min() < 0.95
    x = rows - rows.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    members = np.eye(3)[posterior.argmax(axis=1)]
    means = [np.average(x, axis=0, weights=column) for column in members.T]
    covariance = 0.2 * x.var(axis=0).mean() * np.eye(8)
    for row, weights in zip(x, members, strict=True):
        for mean, weight in zip(means, weights, strict=True):
            covariance += weight * np.outer(row - mean, row - mean) / len(x)
    share = members.mean(axis=0)
    density = np.stack(
        [multivariate_normal(mean, covariance).pdf(x) for mean in means], axis=1
    )
    expected = share * density ** (1 / 1.5)
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(posterior, expected, atol=1e-3)


def test_probabilities_sum_to_one_in_float32():
    """Rows are distributions, also of bfloat16 embeddings."""
    rows, _ = draw_blobs([20] * 3)
    readout = MixtureReadout(8, 3).fit(rows, random_state=0)
    for dtype in (torch.float32, torch.bfloat16):
        probabilities = readout(torch.from_numpy(rows).to(dtype))
        assert probabilities.dtype == torch.float32
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(60))


def test_same_seed_same_readout_and_global_state_untouched():
    """Two fits agree bit for bit and draw nothing from global generators."""
    rows, _ = draw_blobs([20] * 3, spread=0.5)
    np.random.seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (
        assign(MixtureReadout(8, 3).fit(rows, random_state=4), rows) for _ in range(2)
    )
    assert_array_equal(first, second)
    assert_array_equal(torch.get_rng_state(), states[0])
    assert_array_equal(np.random.get_state()[1], states[1])


def test_shuffled_rows_get_shuffled_labels():
    """The order of the rows changes nothing but the names of the clusters."""
    rows, _ = draw_blobs([30, 50, 40])
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = fit_labels(rows[order])
    assert clustering_accuracy(fit_labels(rows)[order], shuffled) == 1


@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize(
    ("rows", "n_clusters"),
    [
        (np.ones((6, 4), dtype=np.float32), 3),
        (np.zeros((6, 4), dtype=np.float32), 3),
        (np.eye(4, dtype=np.float32), 1),
        (np.eye(4, dtype=np.float32), 4),
        (np.ones((1, 4), dtype=np.float32), 1),
        (np.eye(4, dtype=np.float32)[[0, 0, 0, 1]], 4),
    ],
    ids=["identical", "zeros", "one cluster", "K = n", "one row", "duplicates"],
)
def test_degenerate_embeddings_are_labelled_in_silence(rows, n_clusters, balance):
    """Nothing crashes or warns, and probabilities are finite and sum to one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        readout = MixtureReadout(4, n_clusters, balance=balance)
        probabilities = assign(readout.fit(rows, random_state=0), rows)
    assert probabilities.shape == (len(rows), n_clusters)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_as_many_clusters_as_rows_are_all_used():
    """Distinct rows get a cluster each if there is one for each."""
    labels = fit_labels(np.eye(4, dtype=np.float32), 4)
    assert sorted(labels) == [0, 1, 2, 3]


def test_state_goes_into_another_readout():
    """All that was learned is in the state dict."""
    rows, _ = draw_blobs([20] * 3)
    fitted = MixtureReadout(8, 3).fit(rows, random_state=0)
    copy = MixtureReadout(8, 3)
    assert not np.allclose(assign(copy, rows), assign(fitted, rows))
    copy.load_state_dict(fitted.state_dict())
    assert_array_equal(assign(copy, rows), assign(fitted, rows))
