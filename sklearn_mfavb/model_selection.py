"""How many clusters there are, without labels."""

import os
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.sparse import coo_matrix, eye_array
from scipy.spatial.distance import squareform
from sklearn.base import BaseEstimator, _fit_context
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

__all__ = ["NClustersSelector"]

Rows = NDArray[np.floating]
Labels = NDArray[np.integer]

# Unit rows are rounded to the precision of their type; what is less is one direction.
_ROUNDINGS = 10
_DECIMALS = 5
_MOST_CLUSTERS = 30
# Chosen with labels of two sets in view: docs/n_clusters.md.
_FEW_NEIGHBORS = 10
_MANY_NEIGHBORS = 30


class NClustersSelector(BaseEstimator):
    """Estimate the number of clusters as the median of three estimates.

    Every number of clusters from `min_clusters` to `max_clusters` is tried. Each of
    three criteria has a number for which it is highest, and the middle one is chosen:

    - the mean silhouette [1]_ of the clusters of average linkage;
    - the modularity [2]_ of Ward's clusters in the graph of 10 nearest neighbors;
    - the same in the graph of 30 nearest neighbors, whose edges are weighed by the
      share of neighbors that two rows have in common [3]_.

    Rows are compared by their angle around the mean: brought to unit length, centered,
    and to unit length again. Use it on features of a pretrained encoder before an
    estimator is fitted.

    Parameters
    ----------
    min_clusters : int, default=2
        Smallest number tried, at least 2: one cluster has no silhouette.
    max_clusters : int or "auto", default="auto"
        Largest number tried, less than the number of rows. "auto" is 30, but at most
        half the number of rows, and no more than there are different rows.
    max_samples : int or None, default=5000
        Most rows that are compared, drawn at random if there are more. None takes all.
        Time and memory grow with its square: 5,000 rows of 512 features take about
        3 seconds on one core and 0.6 GB.
    random_state : int, RandomState instance or None, default=None
        Seed of the rows that are drawn; nothing else is random.

    Attributes
    ----------
    n_clusters_ : int
        The number of clusters: the median of `estimates_`.
    n_clusters_values_ : ndarray of int of shape (n_values,)
        The numbers tried, in ascending order.
    scores_ : ndarray of float of shape (n_values, 3)
        The three criteria for each of them, in the order above, from -1 to 1.
    estimates_ : ndarray of int of shape (3,)
        The number with the highest score by each criterion; the smallest of several.
    n_features_in_ : int
        Number of columns of the X given to `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns of that X, if it was a dataframe.

    See Also
    --------
    CLIPFeatures : Features to estimate it on.
    sklearn.metrics.silhouette_score : The same silhouette, from all pairs of rows.

    Notes
    -----
    The criteria err differently. The silhouette is often too low, as it prefers groups
    of clusters to the clusters; the modularity among few neighbors is too high, and
    that among many in between. ``docs/n_clusters.md`` tells how often the median is
    right on CLIP features, and how it fails.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: A graphical aid to the interpretation and
       validation of cluster analysis", 1987, doi:10.1016/0377-0427(87)90125-7.
    .. [2] M. E. J. Newman and M. Girvan, "Finding and evaluating community structure
       in networks", 2004, doi:10.1103/PhysRevE.69.026113.
    .. [3] J. H. Levine et al., "Data-driven phenotypic dissection of AML reveals
       progenitor-like cells that correlate with prognosis", 2015,
       doi:10.1016/j.cell.2015.05.047.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn_mfavb import NClustersSelector
    >>> X, _ = make_blobs(200, n_features=10, centers=4, random_state=0)
    >>> selector = NClustersSelector().fit(X)
    >>> selector.n_clusters_, selector.estimates_
    (4, array([4, 4, 4]))
    """

    n_clusters_: int
    n_clusters_values_: NDArray[np.int64]
    scores_: NDArray[np.float64]
    estimates_: NDArray[np.int64]

    _parameter_constraints: ClassVar[dict] = {
        "min_clusters": [Interval(Integral, 2, None, closed="left")],
        "max_clusters": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "max_samples": [Interval(Integral, 3, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        min_clusters: int = 2,
        max_clusters: int | Literal["auto"] = "auto",
        *,
        max_samples: int | None = 5_000,
        random_state: Any = None,
    ) -> None:
        self.min_clusters = min_clusters
        self.max_clusters = max_clusters
        self.max_samples = max_samples
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Score every number of clusters by the three criteria.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row for each image.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        _refuse_images(X)
        X = validate_data(self, X, dtype=[np.float32, np.float64], ensure_min_samples=2)
        random_state = check_random_state(self.random_state)
        if self.max_samples is not None and len(X) > self.max_samples:
            X = X[random_state.permutation(len(X))[: self.max_samples]]
        rows = _centered_directions(X)
        largest = self._largest_number(rows)
        self.n_clusters_values_ = np.arange(self.min_clusters, largest + 1)
        self.scores_ = _scores(rows, self.n_clusters_values_)
        self.estimates_ = self.n_clusters_values_[self.scores_.argmax(axis=0)]
        self.n_clusters_ = int(np.median(self.estimates_))
        return self

    def _largest_number(self, rows: Rows) -> int:
        """Return the largest number to try, or raise if the rows are too few for it."""
        n_samples = len(rows)
        n_different = len(np.unique(rows.round(_DECIMALS), axis=0))
        if self.max_clusters == "auto":
            room = min(_MOST_CLUSTERS, n_samples // 2, n_different)
            name, largest = "min_clusters", max(self.min_clusters, room)
        else:
            name, largest = "max_clusters", self.max_clusters
        if self.min_clusters > largest:
            raise ValueError(
                f"min_clusters={self.min_clusters} must not be more than "
                f"max_clusters={largest}."
            )
        if largest >= n_samples or largest > n_different:
            raise ValueError(
                f"{name}={largest} must be less than the number of rows that are "
                f"compared, n_samples = {n_samples}, and not more than those of "
                f"different direction, {n_different} (n_features = {rows.shape[1]})."
            )
        return largest


def _refuse_images(X: Any) -> None:
    """Raise if X is a folder, paths or images: what the estimators take."""
    row = np.asarray(X[:1]).ravel().tolist() if hasattr(X, "__array__") else X
    first = row[0] if isinstance(row, list | tuple) and len(row) > 0 else None
    is_path = isinstance(X, str | os.PathLike) or isinstance(first, str | os.PathLike)
    is_images = len(getattr(X, "shape", ())) > 2 or getattr(first, "ndim", 0) > 1
    # Images of Pillow have a mode and no ndim.
    if is_path or is_images or hasattr(first, "mode"):
        raise ValueError(
            "NClustersSelector compares rows of features: pass "
            "CLIPFeatures(...).fit_transform(images) in place of images, paths or a "
            f"folder, got X of type {type(X).__name__}."
        )


def _centered_directions(X: Rows) -> Rows:
    """Return unit rows around the mean, without the direction that all rows share."""
    unit = normalize(X)
    unit -= unit.mean(axis=0)
    if np.linalg.norm(unit, axis=1).max() <= _ROUNDINGS * np.finfo(unit.dtype).eps:
        raise ValueError(
            f"All {len(X)} rows of X have the same direction (n_features = "
            f"{X.shape[1]}): there is nothing to tell clusters apart by."
        )
    return normalize(unit, copy=False)


def _scores(rows: Rows, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the silhouette and both modularities for each number of clusters."""
    distances = (1 - rows @ rows.T).clip(0)  # of cosines, (n_samples, n_samples)
    np.fill_diagonal(distances, 0)
    pairs = squareform(distances, checks=False)
    average = cut_tree(linkage(pairs, "average"), numbers).T
    ward = cut_tree(linkage(np.sqrt(2 * pairs), "ward"), numbers).T
    near = _neighbor_graph(distances)
    shared = _shared_neighbor_graph(distances)
    return np.array(
        [
            (
                _mean_silhouette(rows, labels),
                _modularity(near, ward_labels),
                _modularity(shared, ward_labels),
            )
            for labels, ward_labels in zip(average, ward, strict=True)
        ]
    )


def _neighbor_graph(distances: Rows) -> coo_matrix:
    """Join each row to its nearest few."""
    n_neighbors = min(_FEW_NEIGHBORS, len(distances) - 1)
    graph = kneighbors_graph(distances, n_neighbors, metric="precomputed")
    return (graph + graph.T).tocoo()


def _shared_neighbor_graph(distances: Rows) -> coo_matrix:
    """Join rows by the Jaccard index of their neighborhoods, themselves included."""
    n_samples = len(distances)
    n_neighbors = min(_MANY_NEIGHBORS, n_samples - 1)
    graph = kneighbors_graph(distances, n_neighbors, metric="precomputed")
    graph = graph + eye_array(n_samples, format="csr")
    shared = (graph @ graph.T).tocoo()
    weights = shared.data / (2 * (n_neighbors + 1) - shared.data)
    weights[shared.row == shared.col] = 0
    return coo_matrix((weights, (shared.row, shared.col)), shape=shared.shape)


def _modularity(graph: coo_matrix, labels: Labels) -> float:
    """Return how much weight is within clusters beyond what their degrees expect."""
    total = graph.data.sum()
    within = graph.data[labels[graph.row] == labels[graph.col]].sum()
    degrees = np.bincount(labels[graph.row], weights=graph.data)
    return float(within / total - np.square(degrees / total).sum())


def _mean_silhouette(rows: Rows, labels: Labels) -> float:
    """Return the mean silhouette by squared distances, from the means of clusters."""
    n_samples, sizes = len(rows), np.bincount(labels)
    members = np.eye(len(sizes), dtype=rows.dtype)[labels] / sizes  # (n_samples, k)
    squares = np.square(rows).sum(axis=1)
    distances = squares[:, None] - 2 * rows @ (members.T @ rows).T + squares @ members
    distances = distances.clip(min=0)  # rounding

    at_own = (np.arange(n_samples), labels)
    own, size = distances[at_own], sizes[labels]
    own *= size / np.maximum(size - 1, 1)  # a row is at distance 0 from itself
    distances[at_own] = np.inf
    nearest = distances.min(axis=1)
    larger = np.maximum(own, nearest)
    counts = (size > 1) & (larger > 0)
    return float(np.divide(nearest - own, larger, where=counts, out=own * 0).mean())
