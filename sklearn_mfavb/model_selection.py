"""How many clusters there are, without labels."""

import os
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from scipy.stats import entropy
from sklearn.base import BaseEstimator, _fit_context
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from sklearn_mfavb.metrics import neighbor_pairs

__all__ = ["NClustersSelector"]

Rows = NDArray[np.floating]
Labels = NDArray[np.integer]

# Unit rows are rounded to the precision of their type; what is less is one direction.
_ROUNDINGS = 10
_DECIMALS = 5
_MOST_CLUSTERS = 30
_LEAST_ROWS_PER_NEIGHBOR = 16
_FEW_NEIGHBORS = 5
# Linkage of the first clusters, neighbors, and the separation beyond which two clusters
# are two. Chosen with labels of parts of three sets in view: docs/n_clusters.md.
Method = Literal["average", "ward"]
_MERGES: tuple[tuple[Method, int, float], ...] = (
    ("average", 10, 0.84),
    ("ward", 40, 0.78),
)
_EQUAL = 0.94  # entropy of the sizes, over that of equal ones


class NClustersSelector(BaseEstimator):
    r"""Estimate the number of clusters by merging those that are not separate.

    The rows are divided into more clusters than there may be, by a linkage. The two
    clusters with the lowest separation are merged, again and again. With the links of
    rows to their nearest neighbors, the separation of the clusters :math:`a` and
    :math:`b` is the assortativity [1]_ of the two alone,

    .. math::

        1 - \frac{e_{ab} \, (e_{aa} + 2 e_{ab} + e_{bb})}
        {(e_{aa} + e_{ab}) (e_{bb} + e_{ab})} ,

    where :math:`e` counts links, from either end: 1 if no link joins them, and 0 if as
    many do as by chance. The number of clusters is the largest for which every two
    clusters have a separation above a bound. This is done twice:

    - from average linkage, with 10 neighbors and a bound of 0.84, which finds small
      clusters;
    - from Ward's linkage, with 40 neighbors and a bound of 0.78, which does not divide
      large ones.

    If the sizes of the first clusters are nearly equal, with an entropy of at least
    0.94 of the largest possible, and their mean size is above 40, the second number is
    chosen, otherwise the first.

    Rows are compared by their angle around the mean: brought to unit length, centered,
    and to unit length again. Use it on features of a pretrained encoder before an
    estimator is fitted.

    Parameters
    ----------
    min_clusters : int, default=2
        Smallest number tried, at least 2: one cluster is not separate from any.
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
        The number of clusters, one of `estimates_`.
    n_clusters_values_ : ndarray of int of shape (n_values,)
        The numbers tried, in ascending order.
    scores_ : ndarray of float of shape (n_values, 2)
        The lowest separation of so many clusters among 10 and among 40 neighbors, at
        most 1.
    estimates_ : ndarray of int of shape (2,)
        The largest number with a score above the bound of each; `min_clusters` if there
        is none.
    n_features_in_ : int
        Number of columns of the X given to `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns of that X, if it was a dataframe.

    See Also
    --------
    CLIPFeatures : Features to estimate it on.

    Notes
    -----
    Of fewer than 640 rows, one in 16 is a neighbor at most, or five are.
    ``docs/n_clusters.md`` tells how often the number is right on CLIP features, and how
    it fails.

    References
    ----------
    .. [1] M. E. J. Newman, "Mixing patterns in networks", 2003, equation 2,
       arXiv:cond-mat/0209450.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn_mfavb import NClustersSelector
    >>> X, _ = make_blobs(200, n_features=10, centers=4, random_state=0)
    >>> selector = NClustersSelector().fit(X)
    >>> selector.n_clusters_, selector.estimates_
    (4, array([4, 4]))
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
        """Merge clusters, and score every number of them.

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
        merged = _merge_all(rows, largest)
        self.scores_ = np.array(
            [[each[n][0] for each in merged] for n in self.n_clusters_values_.tolist()]
        )
        bounds = [bound for _, _, bound in _MERGES]
        self.estimates_ = np.where(
            self.scores_ > bounds, self.n_clusters_values_[:, None], self.min_clusters
        ).max(axis=0)
        by_few, by_many = self.estimates_.tolist()
        _, sizes = merged[0][by_few]
        is_equal = entropy(sizes, base=by_few) >= _EQUAL
        # Of clusters that are smaller than that, the many neighbors are of others too.
        are_large = len(rows) / by_few > _MERGES[1][1]
        self.n_clusters_ = by_many if is_equal and are_large else by_few
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
    is_array = hasattr(X, "__array__")
    row = np.atleast_1d(X)[:1].ravel().tolist() if is_array else X
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


def unit_distances(rows: Rows) -> Rows:
    """Return the cosine distances of all pairs of unit rows, (n_samples, n_samples)."""
    distances = (1 - rows @ rows.T).clip(min=0)
    np.fill_diagonal(distances, 0)
    return distances


def link(distances: Rows, n_clusters: int, method: Method) -> NDArray[np.int64]:
    """Merge rows to clusters by a linkage, from the cosine distances of unit rows.

    scikit-learn's linkages are slower: they compute the distances, for Ward's one by
    one. So is SciPy's `cut_tree`, which goes through all rows at every merge.
    """
    lengths = squareform(distances, checks=False)
    if method == "ward":
        lengths = np.sqrt(2 * lengths)  # Euclidean
    merges = linkage(lengths, method)[:, :2].astype(np.int64)
    n_samples = len(distances)
    merges = merges[: n_samples - n_clusters]
    merged = n_samples + np.repeat(np.arange(len(merges)), 2)
    shape = (2 * n_samples, 2 * n_samples)
    tree = coo_array((np.ones(len(merged)), (merged, merges.ravel())), shape=shape)
    return connected_components(tree, directed=False)[1][:n_samples].astype(np.int64)


def _merge_all(
    rows: Rows, largest: int
) -> list[dict[int, tuple[float, NDArray[np.int64]]]]:
    """Merge clusters with few and with many neighbors.

    Of every number of clusters it returns the lowest separation, and the sizes.
    """
    n_samples = len(rows)
    distances = unit_distances(rows)
    search = NearestNeighbors(metric="precomputed").fit(distances)
    n_started = max(largest, min(_MOST_CLUSTERS, n_samples // 2))
    most = max(_FEW_NEIGHBORS, n_samples // _LEAST_ROWS_PER_NEIGHBOR)
    most = min(most, n_samples - 1)
    merged = []
    for method, n_neighbors, _ in _MERGES:
        labels = link(distances, n_started, method)
        n_neighbors = min(n_neighbors, most)
        neighbors = search.kneighbors(n_neighbors=n_neighbors, return_distance=False)
        steps = _merge(labels, neighbors)
        merged.append({len(sizes): (lowest, sizes) for lowest, sizes in steps})
    return merged


def _merge(
    labels: Labels, neighbors: NDArray[np.int64]
) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """Merge the two clusters of the lowest separation; yield it, and all sizes."""
    links = neighbor_pairs(labels, neighbors).toarray()
    sizes = np.bincount(labels)
    while len(sizes) > 1:
        separations = _separations(links)
        one, other = np.unravel_index(separations.argmin(), separations.shape)
        yield float(separations[one, other]), sizes.copy()
        links[one] += links[other]
        links[:, one] += links[:, other]
        sizes[one] += sizes[other]
        links = np.delete(np.delete(links, other, axis=0), other, axis=1)
        sizes = np.delete(sizes, other)


def _separations(links: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the assortativity of every two clusters, and infinity on the diagonal."""
    within = links.diagonal()
    ends = within[:, None] + links  # of a cluster's links to itself and to the other
    total = ends + ends.T
    by_chance = ends * ends.T
    ratio = np.divide(
        links * total, by_chance, where=by_chance > 0, out=np.zeros_like(links)
    )
    np.fill_diagonal(ratio, -np.inf)
    return 1 - ratio
