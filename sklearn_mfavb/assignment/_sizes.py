"""Clusters whose sizes follow the data: several clusterings, and the best of them."""

import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import entropy
from sklearn.cluster import SpectralClustering
from sklearn.preprocessing import normalize

from sklearn_mfavb.assignment._mixture import (
    MixtureAssigner,
    check_finite,
    kmeans_labels,
)
from sklearn_mfavb.metrics import neighbor_pairs
from sklearn_mfavb.model_selection import link, unit_distances
from sklearn_mfavb.neighbors import Table, nearest_neighbors

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]

_MOST_ROWS = 2000  # linkages and the spectrum take time and memory in its square
_LEAST_ROWS_PER_CLUSTER = 4
_GRAPH_NEIGHBORS = 20
# What follows was set with the accuracy on CLIP features of three sets in view, equal
# classes and tails of 2 to 50: docs/how_to/unequal_sizes.md.
_JUDGING_NEIGHBORS = 40
_COMPONENTS_PER_CLUSTER = 2  # 1 to 3 do as well
_ASSORTATIVITY = 15.0  # nats an image; 10 to 20 do as well
# Entropy of the sizes, over that of equal ones, beyond which they are taken for equal.
# Equal classes have 0.988 or more there, all tails of 3 and more less than 0.986.
_EQUAL = 0.986
_COST = 0.4  # nats an image that equal sizes may cost; on equal classes up to 0.28
_FLOOR = 1e-6  # of the variance, for rows that repeat


def fit_sizes(
    embedding: Rows, features: Table | None, n_clusters: int, *, seed: int
) -> MixtureAssigner:
    r"""Fit mixtures with and without a prior of equal sizes, and keep the best.

    A mixture that starts from k-means finds clusters of like sizes, and splits a large
    class rather than find a small one. So mixtures with free weights also start from
    Ward's and average linkage and from the spectrum of the neighbor graph, of the
    embedding and of the features: around their mean, and around zero, for the mean of
    images that are mostly of one class tears it apart. They are compared by their
    likelihood, that of Gaussian clusters with one covariance :math:`\Sigma` in the
    first :math:`2 K` principal components, in nats an image and without what is the
    same for all:

    .. math:: \ell = -\tfrac{1}{2} \log |\Sigma| .

    If the likeliest clusters of the embedding are of nearly equal sizes, they are kept,
    or a mixture with equal sizes that starts from them, if that costs at most 0.4 nats.
    Otherwise those labels are kept for which
    :math:`\ell + 15 A` of the features is highest. :math:`A` is the assortativity of
    labels in the graph of neighbors [1]_, which falls when a large class is split:

    .. math:: A = \frac{\sum_k e_{kk} - \sum_k a_k^2}{1 - \sum_k a_k^2} ,

    with :math:`e_{kl}` the share of pairs of neighbors of which one is in cluster
    :math:`k` and one in :math:`l`, and :math:`a` its margin.

    Parameters
    ----------
    embedding : ndarray of float32 of shape (n_samples, embed_dim)
        Embeddings of the training images. Larger sets are subsampled at random to
        2,000; the mixture is then refitted to all.
    features : ndarray of float32 of shape (n_samples, n_features) or None
        Features of the same images; None judges by the embedding alone.
    n_clusters : int
        Number of clusters.
    seed : int
        Seed of k-means, of the spectrum and of the images that are drawn.

    References
    ----------
    .. [1] M. E. J. Newman, "Mixing patterns in networks", 2003, equation 2,
       arXiv:cond-mat/0209450.
    """
    check_finite(embedding)
    rng = np.random.default_rng(seed)
    n_drawn = max(_MOST_ROWS, _LEAST_ROWS_PER_CLUSTER * n_clusters)
    drawn = np.sort(rng.permutation(len(embedding))[:n_drawn])
    sample = embedding[drawn]
    of_embedding = of_features = _Space(_directions(sample))
    spaces = [of_embedding]
    if features is not None:
        unit = normalize(np.asarray(features[drawn]))
        of_features = _Space(_directions(unit))
        spaces += [of_features, _Space(unit)]
    found = _fit_free(sample, _starts(spaces, n_clusters, seed), n_clusters, seed)
    likelihood = _Likelihood(of_embedding.rows, n_clusters)
    best, labels = max(found, key=lambda each: likelihood(each[1]))
    if entropy(np.bincount(labels), base=max(2, n_clusters)) >= _EQUAL:
        even = MixtureAssigner(embedding.shape[1], n_clusters, balance=1.0)
        even.fit(sample, random_state=seed, labels=labels)
        cost = likelihood(labels) - likelihood(even.label(sample))
        best = even if cost <= _COST else best
    else:
        likelihood = _Likelihood(of_features.rows, n_clusters)
        n_neighbors = max(1, min(_JUDGING_NEIGHBORS, len(sample) // 8))
        neighbors = of_features.neighbors[:, :n_neighbors]

        def score(labels: Labels) -> float:
            together = _assortativity(labels, neighbors)
            return likelihood(labels) + _ASSORTATIVITY * together

        best, _ = max(found, key=lambda each: score(each[1]))
    if len(sample) < len(embedding):
        best.fit(embedding, random_state=seed, labels=best.label(embedding))
    return best


def _fit_free(
    sample: Rows, starts: Iterable[Labels], n_clusters: int, seed: int
) -> list[tuple[MixtureAssigner, Labels]]:
    """Fit mixtures with free weights; keep those that use the most clusters."""
    found, n_used = [], []
    for start in starts:
        mixture = MixtureAssigner(sample.shape[1], n_clusters, balance=0.0)
        labels = mixture.fit(sample, random_state=seed, labels=start).label(sample)
        found.append((mixture, labels))
        n_used.append(len(np.unique(labels)))
    most = max(n_used)
    return [each for each, n in zip(found, n_used, strict=True) if n == most]


class _Space:
    """Unit rows of images, and what several starts need to know of them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @cached_property
    def neighbors(self) -> NDArray[np.int64]:
        """The rows at the smallest angles to each row, (n_samples, 40) or fewer."""
        return nearest_neighbors(self.rows, _JUDGING_NEIGHBORS, metric="cosine")

    @cached_property
    def distances(self) -> Rows:
        """Cosine distances of all pairs of rows, (n_samples, n_samples)."""
        return unit_distances(self.rows)


def _starts(spaces: list[_Space], n_clusters: int, seed: int) -> Iterator[Labels]:
    """Yield labels to start from.

    The first `spaces` are those of the embedding and of the features around their mean.
    """
    yield kmeans_labels(spaces[0].rows, n_clusters, seed)
    n_samples = len(spaces[0].rows)
    is_few = n_samples < _LEAST_ROWS_PER_CLUSTER * n_clusters
    if n_clusters == 1 or is_few or n_samples > _MOST_ROWS:
        return
    yield link(spaces[:2][-1].distances, n_clusters, "ward")
    for space in spaces:
        yield link(space.distances, n_clusters, "average")
        yield _spectral(space.neighbors, n_clusters, seed)


class _Likelihood:
    """The likelihood of labels, in nats an image, in principal components of rows."""

    def __init__(self, rows: Rows, n_clusters: int) -> None:
        n_components = _COMPONENTS_PER_CLUSTER * n_clusters
        covariance = np.atleast_2d(
            np.cov(rows, rowvar=False, dtype=np.float64, bias=True)
        )
        _, directions = np.linalg.eigh(covariance)
        self.components = rows @ directions[:, -n_components:]
        self.floor = _FLOOR * max(float(np.trace(covariance)), 1.0)
        self.n_clusters = n_clusters

    def __call__(self, labels: Labels) -> float:
        members = np.eye(self.n_clusters)[labels]
        sizes = np.maximum(members.sum(axis=0), 1)
        means = (members.T @ self.components) / sizes[:, None]
        within = self.components - means[labels]
        covariance = within.T @ within / len(labels)
        covariance[np.diag_indices_from(covariance)] += self.floor
        return -0.5 * float(np.linalg.slogdet(covariance).logabsdet)


def _assortativity(labels: Labels, neighbors: NDArray[np.int64]) -> float:
    """Return how much more often neighbors share a label than by chance."""
    used, codes = np.unique(labels, return_inverse=True)
    if len(used) == 1:
        return 0.0
    shares = neighbor_pairs(codes, neighbors).toarray() / (2 * neighbors.size)
    by_chance = np.square(shares.sum(axis=0)).sum()
    return float((np.trace(shares) - by_chance) / (1 - by_chance))


def _directions(rows: Rows) -> Rows:
    """Bring rows to unit length around their mean."""
    rows = normalize(rows)
    return normalize(rows - rows.mean(axis=0), copy=False)


def _spectral(neighbors: NDArray[np.int64], n_clusters: int, seed: int) -> Labels:
    """Cut the graph of the nearest neighbors of each row."""
    neighbors = neighbors[:, :_GRAPH_NEIGHBORS]
    n_samples, n_neighbors = neighbors.shape
    ends = np.arange(n_samples + 1, dtype=np.int32) * np.int32(n_neighbors)
    columns = neighbors.ravel().astype(np.int32)  # scikit-learn takes no 64-bit indices
    shape = (n_samples, n_samples)  # the last rows may be nobody's neighbors
    edges = csr_array((np.ones(len(columns)), columns, ends), shape=shape)
    spectral = SpectralClustering(n_clusters, affinity="precomputed", random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")
        return spectral.fit_predict((edges + edges.T) / 2).astype(np.int64)
