"""EmbeddingMapDisplay: the embedding in a plane."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_mfavb.inspection._axes import open_axes
from sklearn_mfavb.inspection._findings import gather_findings
from sklearn_mfavb.inspection._plane import lay_out


class EmbeddingMapDisplay:
    """A map of the embedding, coloured by cluster.

    It is recommended to use `from_estimator` or `from_predictions` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    coordinates : ndarray of shape (n_points, 2)
        Where the points are: see :func:`lay_out`.
    labels : ndarray of int of shape (n_points,)
        The cluster of each point.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        The points.
    ax_ : matplotlib Axes
        Axes with the map.
    figure_ : matplotlib Figure
        Figure that contains it.

    See Also
    --------
    lay_out : What the map shows, what it does not, and what it costs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.inspection import EmbeddingMapDisplay
    >>> rows = np.random.default_rng(0).normal(size=(20, 4))
    >>> labels = np.repeat([0, 1], 10)
    >>> display = EmbeddingMapDisplay.from_predictions(rows, labels, random_state=0)
    >>> display.coordinates.shape
    (20, 2)
    """

    def __init__(self, coordinates: NDArray, labels: NDArray[np.integer]) -> None:
        self.coordinates = coordinates
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        clip_features: ArrayLike | None = None,
        max_points: int = 5000,
        random_state: Any = None,
        ax: Any = None,
        **scatter: Any,
    ) -> Self:
        """Draw the map of images as a fitted estimator embeds them.

        Parameters
        ----------
        estimator : BaseImageClusterer
            A fitted estimator of this package.
        X : array-like, path or sequence
            Images, in any of the forms that the estimator accepts.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.
        max_points : int, default=5000
            Most points of the map; of more images, so many are drawn at random.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw and of the layout.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **scatter : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        EmbeddingMapDisplay
        """
        found = gather_findings(estimator, X, clip_features=clip_features)
        return cls.from_predictions(
            found.embedding,
            found.labels,
            max_points=max_points,
            random_state=random_state,
            ax=ax,
            **scatter,
        )

    @classmethod
    def from_predictions(
        cls,
        embedding: ArrayLike,
        labels: ArrayLike,
        *,
        max_points: int = 5000,
        random_state: Any = None,
        ax: Any = None,
        **scatter: Any,
    ) -> Self:
        """Draw the map of any embedding and any clusters.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, embed_dim)
            Rows of NaN (files that were skipped) are left out.
        labels : array-like of int of shape (n_samples,)
            The cluster of each row.
        max_points : int, default=5000
            Most points of the map; of more rows, so many are drawn at random.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw and of the layout.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **scatter : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        EmbeddingMapDisplay

        Raises
        ------
        ValueError
            If there is not one label for each row.
        """
        clusters = column_or_1d(labels)
        check_consistent_length(embedding, clusters)
        indices, coordinates = lay_out(
            embedding, max_points=max_points, random_state=random_state
        )
        return cls(coordinates, clusters[indices]).plot(ax=ax, **scatter)

    def plot(self, ax: Any = None, **scatter: Any) -> Self:
        """Draw the points, and the number of each cluster amid its points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **scatter : dict
            Passed to matplotlib's ``scatter``: ``cmap`` for other colours (twenty take
            turns), ``s`` for the size of the points.

        Returns
        -------
        EmbeddingMapDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_, self.figure_ = open_axes(type(self).__name__, ax, figsize=(7, 6))
        clusters, codes = np.unique(self.labels, return_inverse=True)
        style = {"s": 6, "cmap": "tab20", "linewidths": 0, **scatter}
        x, y = self.coordinates.T
        self.points_ = self.ax_.scatter(x, y, c=codes % 20, vmin=0, vmax=19, **style)
        for code, cluster in enumerate(clusters):
            self.ax_.annotate(
                str(cluster),
                _find_middle(self.coordinates[codes == code]),
                ha="center",
                va="center",
                bbox={"boxstyle": "round,pad=0.2", "fc": "white", "alpha": 0.8},
            )
        self.ax_.set(xticks=[], yticks=[], title=f"{len(self.labels):,} images")
        return self


def _find_middle(points: NDArray) -> NDArray:
    """Return the point nearest to the median: between two islands may be nothing."""
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return points[distance.argmin()]
