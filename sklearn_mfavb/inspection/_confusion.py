"""MatchedConfusionDisplay: known classes against the clusters that match them."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.inspection._findings import Display, Findings, gather_findings

_SHARES = {"true": 1, "pred": 0, "all": None}  # axes that add up to 1


@dataclass(eq=False, repr=False)
class MatchedConfusionDisplay(Display):
    """Known classes and clusters, each class with the cluster that matches it.

    Classes and clusters are matched one to one so that as many images as possible
    agree, as in :func:`sklearn_mfavb.metrics.clustering_accuracy`. Matched pairs are on
    the diagonal, in the order of the classes. Classes without a cluster come last, and
    so do clusters without a class, the largest first.

    Use `from_estimator`, `from_findings` or `from_predictions` to create one.

    Parameters
    ----------
    counts : ndarray of int of shape (n_classes, n_clusters)
        Images by class and cluster, the matched ones on the diagonal.
    class_names, cluster_names : sequence
        Names of the rows and of the columns.

    Attributes
    ----------
    accuracy : float
        Share of the images on the diagonal.
    image_, texts_, ax_, figure_ : matplotlib AxesImage, list of Text, Axes and Figure

    Examples
    --------
    >>> from sklearn_mfavb.inspection import MatchedConfusionDisplay
    >>> display = MatchedConfusionDisplay.from_predictions(
    ...     ["cat", "cat", "dog", "dog"], [7, 7, 3, 5]
    ... )
    >>> display.counts
    array([[2, 0, 0],
           [0, 1, 1]])
    >>> display.cluster_names, display.accuracy
    ([7, 3, 5], 0.75)
    """

    counts: NDArray[np.integer]
    _: KW_ONLY
    class_names: Sequence[Any]
    cluster_names: Sequence[Any]

    @property
    def accuracy(self) -> float:
        """Share of the images on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        features: ArrayLike | None = None,
        **options: Any,
    ) -> Self:
        """Draw the classes `y` of images against what any fitted clusterer predicts.

        `features` are passed to `predict`, and `options` to `from_predictions`. Files
        that were skipped do not count.
        """
        # Swapped arguments must not cost the time of embedding images.
        if (shape := np.shape(y)) != (np.size(y),):
            raise ValueError(f"y must hold one class for each image, got {shape=}.")
        classes = column_or_1d(y)
        if not isinstance(X, str) and hasattr(X, "__len__"):
            check_consistent_length(X, classes)
        if isinstance(estimator, BaseImageClusterer):
            found = gather_findings(estimator, X, features=features)
            return cls.from_findings(found, classes, **options)
        routed = {} if features is None else {"features": features}
        labels = column_or_1d(estimator.predict(X, **routed))
        return cls._from_read(classes, labels, **options)

    @classmethod
    def from_findings(cls, found: Findings, y: ArrayLike, **options: Any) -> Self:
        """Draw classes `y` against the clusters that :func:`gather_findings` found.

        Outliers and skipped files do not count. Options as in `from_predictions`.
        """
        return cls._from_read(column_or_1d(y), found.labels, **options)

    @classmethod
    def _from_read(cls, classes: NDArray, labels: NDArray, **options: Any) -> Self:
        """Leave out files that were skipped."""
        check_consistent_length(classes, labels)
        is_read = labels >= 0
        return cls.from_predictions(classes[is_read], labels[is_read], **options)

    @classmethod
    def from_predictions(
        cls,
        labels_true: ArrayLike,
        labels_pred: ArrayLike,
        *,
        target_names: Sequence[str] | None = None,
        normalize: Literal["true", "pred", "all"] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw known classes against clusters.

        Parameters
        ----------
        labels_true, labels_pred : array-like of shape (n_samples,)
            Known classes and clusters. A label for noise, such as -1, counts as a
            cluster.
        target_names : sequence of str, default=None
            Names of the classes, in their sorted order. None: the classes themselves.
        normalize, ax : As in `plot`.
        """
        true, predicted = column_or_1d(labels_true), column_or_1d(labels_pred)
        check_consistent_length(true, predicted)
        if len(true) == 0:
            raise ValueError("labels_true must hold at least one label, got none.")
        classes, clusters = np.unique(true).tolist(), np.unique(predicted).tolist()
        names = classes if target_names is None else list(target_names)
        if len(names) != len(classes):
            got = f"{len(names)} names, but there are {len(classes)} classes"
            raise ValueError(f"target_names has {got}.")
        counts = contingency_matrix(true, predicted)  # (n_classes, n_clusters)
        rows, columns = _match(counts)
        display = cls(
            counts[np.ix_(rows, columns)],
            class_names=[names[row] for row in rows],
            cluster_names=[clusters[column] for column in columns],
        )
        return display.plot(normalize=normalize, ax=ax)

    def plot(
        self,
        *,
        normalize: Literal["true", "pred", "all"] | None = None,
        cmap: Any = "Blues",
        ax: Any = None,
    ) -> Self:
        """Draw the matrix, with its numbers if there are at most 20 rows and columns.

        With `normalize`, shares of each class ("true"), of each cluster ("pred") or of
        all images ("all") are drawn, not counts. `ax` None makes a figure.
        """
        if normalize not in (None, *_SHARES):
            known = [None, *_SHARES]
            raise ValueError(f"normalize must be in {known}, got {normalize!r}.")
        values = self.counts
        if normalize is not None:
            total = self.counts.sum(axis=_SHARES[normalize], keepdims=True)
            values = self.counts / np.maximum(total, 1)
        n_rows, n_columns = values.shape
        self._open_axes(ax, figsize=(2 + 0.45 * n_columns, 1.5 + 0.4 * n_rows))
        self.image_ = self.ax_.imshow(values, cmap=cmap, vmin=0)
        has_room = max(values.shape) <= 20
        number = "d" if normalize is None else ".2f"
        self.texts_ = [
            self.ax_.text(
                *(column, row, f"{value:{number}}"),
                **{"ha": "center", "va": "center"},
                color="white" if value > values.max() / 2 else "black",
            )
            for (row, column), value in np.ndenumerate(values)
            if value and has_room
        ]
        self.ax_.set_xticks(range(n_columns), self.cluster_names)
        self.ax_.set_yticks(range(n_rows), self.class_names)
        title = f"{self.accuracy:.1%} on the diagonal"
        self.ax_.set(xlabel="cluster", ylabel="class", title=title)
        return self


def _match(counts: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order classes and clusters so that matched ones are on the diagonal."""
    rows, columns = linear_sum_assignment(counts, maximize=True)
    n_classes, n_clusters = counts.shape
    other_columns = np.setdiff1d(np.arange(n_clusters), columns)
    by_size = np.argsort(-counts[:, other_columns].sum(axis=0), kind="stable")
    return (
        np.concatenate([rows, np.setdiff1d(np.arange(n_classes), rows)]),
        np.concatenate([columns, other_columns[by_size]]),
    )
