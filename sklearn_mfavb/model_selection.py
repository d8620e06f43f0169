"""How many clusters there are, without labels."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

__all__ = ["NClustersSelector"]

Rows = NDArray[np.floating]

# Unit rows are rounded to the precision of their type; what is less is one direction.
_ROUNDINGS = 10
_DECIMALS = 5


class NClustersSelector(BaseEstimator):
    r"""Estimate the number of clusters by the silhouette of k-means.

    Every number of clusters from `min_clusters` to `max_clusters` is tried, and the one
    of the highest mean silhouette [1]_ is chosen. Rows are compared by their angle
    around the mean: brought to unit length, centerd, and to unit length again. With
    :math:`d` their squared distances, which are twice the cosine distance, the
    silhouette of row :math:`i` in its cluster :math:`A` is

    .. math::

        s_i = \frac{b_i - a_i}{\max(a_i, b_i)}, \qquad
        a_i = \operatorname*{mean}_{j \in A,\, j \neq i} d_{ij}, \quad
        b_i = \min_{B \neq A} \operatorname*{mean}_{j \in B} d_{ij},

    and 0 if it is alone there. Use it on features of a pretrained encoder before an
    estimator is fitted. It works on any rows of numbers, such as pixels or the
    embedding of a fitted estimator, as well as these tell the clusters apart.

    Parameters
    ----------
    min_clusters : int, default=2
        Smallest number tried, at least 2: one cluster has no silhouette.
    max_clusters : int, default=30
        Largest number tried, less than the number of rows. The time grows with its
        square.
    n_init : int, default=3
        Starts of k-means for each number; the best counts.
    max_samples : int or None, default=10000
        Most rows that are compared, drawn at random if there are more: beyond it the
        time no longer grows, but for a look at all values. None takes all.
    random_state : int, RandomState instance or None, default=None
        Seed of the rows that are drawn and of the starts of k-means.

    Attributes
    ----------
    n_clusters_ : int
        The number of clusters with the highest score; the smallest of several.
    n_clusters_values_ : ndarray of int of shape (n_values,)
        The numbers tried, in ascending order.
    scores_ : ndarray of float of shape (n_values,)
        The mean silhouette for each of them, from -1 to 1.
    n_features_in_ : int
        Numbers in a row of the X given to `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns of that X, if it was a dataframe.

    See Also
    --------
    MFAVBClustering : What to give the number to.
    CLIPFeatures : Features to estimate it on.
    sklearn.metrics.silhouette_score : The same score, from all pairs of rows.

    Notes
    -----
    ``docs/n_clusters.md`` tells how often it is right on CLIP features, and how it
    fails. For classes of one size that stand apart it seldom misses by more than one.
    Where classes form a few groups it may find the groups; `scores_` then has lower
    peaks at finer numbers. Where their sizes differ it is too low. It cannot find that
    there are no clusters.

    As distances are squared, their mean over a cluster :math:`B` needs no pairs: it is
    :math:`|x_i|^2 - 2 x_i^\top m_B + q_B`, with the mean :math:`m_B` of the rows of
    :math:`B` and :math:`q_B` of their squared lengths. So the score is exact, and takes
    a time and a memory that are proportional to the number of rows.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: A graphical aid to the interpretation and
       validation of cluster analysis", 1987, doi:10.1016/0377-0427(87)90125-7.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn_mfavb import NClustersSelector
    >>> X, _ = make_blobs(200, n_features=10, centers=4, random_state=0)
    >>> selector = NClustersSelector(max_clusters=8, random_state=0).fit(X)
    >>> selector.n_clusters_
    4
    >>> selector.n_clusters_values_
    array([2, 3, 4, 5, 6, 7, 8])
    """

    n_clusters_: int
    n_clusters_values_: NDArray[np.int64]
    scores_: NDArray[np.float64]

    _parameter_constraints: ClassVar[dict] = {
        "min_clusters": [Interval(Integral, 2, None, closed="left")],
        "max_clusters": [Interval(Integral, 2, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [Interval(Integral, 3, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        min_clusters: int = 2,
        max_clusters: int = 30,
        *,
        n_init: int = 3,
        max_samples: int | None = 10_000,
        random_state: Any = None,
    ) -> None:
        self.min_clusters = min_clusters
        self.max_clusters = max_clusters
        self.n_init = n_init
        self.max_samples = max_samples
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Score every number of clusters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, one row for each image.
        y : Ignored
            Not used; present for consistency with scikit-learn.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If `min_clusters` is more than `max_clusters`, a value is NaN or infinite,
            or there are fewer rows, or different rows, than `max_clusters` needs.
        """
        X = validate_data(self, X, dtype=[np.float32, np.float64], ensure_min_samples=2)
        random_state = check_random_state(self.random_state)
        if self.max_samples is not None and len(X) > self.max_samples:
            X = X[random_state.permutation(len(X))[: self.max_samples]]
        rows = _centerd_directions(X)
        self._check_range(rows)
        seed = random_state.randint(np.iinfo(np.int32).max)
        self.n_clusters_values_ = np.arange(self.min_clusters, self.max_clusters + 1)
        self.scores_ = np.array(
            [
                _mean_silhouette(rows, self._label(rows, int(n_clusters), seed))
                for n_clusters in self.n_clusters_values_
            ]
        )
        self.n_clusters_ = int(self.n_clusters_values_[self.scores_.argmax()])
        return self

    def _check_range(self, rows: Rows) -> None:
        """Raise if the rows cannot be put into as many clusters as asked for."""
        if self.min_clusters > self.max_clusters:
            raise ValueError(
                f"min_clusters={self.min_clusters} must not be more than "
                f"max_clusters={self.max_clusters}."
            )
        if self.max_clusters >= len(rows):
            raise ValueError(
                f"max_clusters={self.max_clusters} must be less than the number of "
                f"rows that are compared, n_samples = {len(rows)}."
            )
        n_different = len(np.unique(rows.round(_DECIMALS), axis=0))
        if self.max_clusters > n_different:
            raise ValueError(
                f"max_clusters={self.max_clusters} must not be more than the number of "
                f"rows of different direction, {n_different} (of n_samples = "
                f"{len(rows)}, n_features = {rows.shape[1]})."
            )

    def _label(self, rows: Rows, n_clusters: int, seed: int) -> NDArray[np.int32]:
        """Cluster rows by k-means."""
        kmeans = KMeans(n_clusters, n_init=self.n_init, random_state=seed)
        return kmeans.fit_predict(rows)


def _centerd_directions(X: Rows) -> Rows:
    """Return unit rows around the mean, without the direction that all rows share."""
    unit = normalize(X)
    unit -= unit.mean(axis=0)
    if np.linalg.norm(unit, axis=1).max() <= _ROUNDINGS * np.finfo(unit.dtype).eps:
        raise ValueError(
            f"All {len(X)} rows of X have the same direction (n_features = "
            f"{X.shape[1]}): there is nothing to tell clusters apart by."
        )
    return normalize(unit, copy=False)


def _mean_silhouette(rows: Rows, labels: NDArray[np.integer]) -> float:
    """Return the mean silhouette by squared distances, from the means of clusters."""
    # A cluster that k-means left empty is no cluster.
    labels = np.unique(labels, return_inverse=True)[1]
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
