"""How many clusters there are, without labels."""

import os
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

__all__ = ["NClustersSelector"]

Rows = NDArray[np.floating]

# Unit rows are rounded to the precision of their type; what is less is one direction.
_ROUNDINGS = 10
_DECIMALS = 5
_MOST_CLUSTERS = 30


class NClustersSelector(BaseEstimator):
    r"""Estimate the number of clusters by the silhouette of k-means.

    Every number of clusters from `min_clusters` to `max_clusters` is tried, and the one
    of the highest mean silhouette [1]_ is chosen. Rows are compared by their angle
    around the mean: brought to unit length, centered, and to unit length again. Use it
    on features of a pretrained encoder before an estimator is fitted.

    Parameters
    ----------
    min_clusters : int, default=2
        Smallest number tried, at least 2: one cluster has no silhouette.
    max_clusters : int or "auto", default="auto"
        Largest number tried, less than the number of rows; the time grows with its
        square. "auto" is 30, but at most half the number of rows, and no more than
        there are different rows.
    n_init : int, default=3
        Starts of k-means for each number; the best counts.
    max_samples : int or None, default=10000
        Most rows that are compared, drawn at random if there are more. None takes all.
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
        Number of columns of the X given to `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns of that X, if it was a dataframe.

    See Also
    --------
    CLIPFeatures : Features to estimate it on.
    sklearn.metrics.silhouette_score : The same score, from all pairs of rows.

    Notes
    -----
    ``docs/n_clusters.md`` tells how often it is right on CLIP features, and
    how it fails.

    Distances in the silhouette are squared. Their mean from row :math:`i` to a cluster
    :math:`B` then needs no pairs, and time and memory are proportional to the number of
    rows: it is :math:`|x_i|^2 - 2 x_i^\top m_B + q_B`, with the mean :math:`m_B` of the
    rows of :math:`B` and :math:`q_B` of their squared lengths.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: A graphical aid to the interpretation and
       validation of cluster analysis", 1987, doi:10.1016/0377-0427(87)90125-7.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn_mfavb import NClustersSelector
    >>> X, _ = make_blobs(200, n_features=10, centers=4, random_state=0)
    >>> NClustersSelector(random_state=0).fit(X).n_clusters_
    4
    """

    n_clusters_: int
    n_clusters_values_: NDArray[np.int64]
    scores_: NDArray[np.float64]

    _parameter_constraints: ClassVar[dict] = {
        "min_clusters": [Interval(Integral, 2, None, closed="left")],
        "max_clusters": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [Interval(Integral, 3, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        min_clusters: int = 2,
        max_clusters: int | Literal["auto"] = "auto",
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
        """
        _refuse_images(X)
        X = validate_data(self, X, dtype=[np.float32, np.float64], ensure_min_samples=2)
        random_state = check_random_state(self.random_state)
        if self.max_samples is not None and len(X) > self.max_samples:
            X = X[random_state.permutation(len(X))[: self.max_samples]]
        rows = _centered_directions(X)
        largest = self._largest_number(rows)
        seed = random_state.randint(np.iinfo(np.int32).max)
        self.n_clusters_values_ = np.arange(self.min_clusters, largest + 1)
        kmeans = KMeans(n_init=self.n_init, random_state=seed)
        scores = [
            _mean_silhouette(rows, kmeans.set_params(n_clusters=n).fit_predict(rows))
            for n in self.n_clusters_values_.tolist()
        ]
        self.scores_ = np.array(scores)
        self.n_clusters_ = int(self.n_clusters_values_[self.scores_.argmax()])
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
    first = X[0] if isinstance(X, list | tuple) and len(X) > 0 else None
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
