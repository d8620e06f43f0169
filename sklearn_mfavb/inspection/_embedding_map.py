"""EmbeddingMapDisplay: the embedding in a plane, colored by cluster."""

from colorsys import hls_to_rgb
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import (
    check_consistent_length,
    check_random_state,
    check_scalar,
    column_or_1d,
)

from sklearn_mfavb.inspection._findings import Findings, FindingsDisplay
from sklearn_mfavb.inspection._gallery import check_rows


@dataclass(eq=False, repr=False)
class EmbeddingMapDisplay(FindingsDisplay):
    """A map of the embedding, colored by cluster.

    Use `from_estimator`, `from_findings` or `from_predictions` to create one.

    Parameters
    ----------
    coordinates : ndarray of shape (n_points, 2)
        Places of the points, from :func:`project_embedding`.
    labels : ndarray of int of shape (n_points,)
        The cluster of each point.

    Attributes
    ----------
    points_, ax_, figure_ : matplotlib PathCollection, Axes and Figure

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

    coordinates: NDArray
    labels: NDArray[np.integer]

    @classmethod
    def from_findings(cls, found: Findings, **options: Any) -> Self:
        """Draw what :func:`gather_findings` found; options as in `from_predictions`."""
        return cls.from_predictions(found.embedding, found.labels, **options)

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
        """Draw the map of any embedding and its clusters `labels`.

        Options are those of :func:`project_embedding` and of `plot`.
        """
        clusters = column_or_1d(labels)
        check_consistent_length(embedding, clusters)
        indices, coordinates = project_embedding(
            embedding, max_points=max_points, random_state=random_state
        )
        return cls(coordinates, clusters[indices]).plot(ax=ax, **scatter)

    def plot(self, ax: Any = None, **scatter: Any) -> Self:
        """Draw the points, and the number of each cluster amid its points.

        `scatter` is passed to matplotlib's function of that name: ``cmap`` for other
        colors, ``s`` for the size of the points. `ax` None makes a figure.
        """
        self._open_axes(ax, figsize=(7, 6))
        from matplotlib.colors import ListedColormap

        clusters, codes = np.unique(self.labels, return_inverse=True)
        are_numbers = np.issubdtype(clusters.dtype, np.integer)
        numbers = clusters.tolist() if are_numbers else range(len(clusters))
        colors = ListedColormap(list(map(cluster_color, numbers)))
        limits = {"vmin": -0.5, "vmax": len(clusters) - 0.5}
        style = {"s": 6, "cmap": colors, "linewidths": 0, **limits, **scatter}
        self.points_ = self.ax_.scatter(*self.coordinates.T, c=codes, **style)
        box = {"boxstyle": "round,pad=0.2", "fc": "white", "alpha": 0.8}
        for point in label_points(self.coordinates, self.labels):
            name, place = str(self.labels[point]), self.coordinates[point]
            self.ax_.annotate(name, place, ha="center", va="center", bbox=box)
        self.ax_.set(xticks=[], yticks=[], title=f"{len(self.labels):,} images")
        return self


def project_embedding(
    embedding: ArrayLike, *, max_points: int = 5000, random_state: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Project an embedding to a plane, so that neighbors stay together.

    Fifty principal components, then t-SNE, which starts from the first two. What is
    close in the plane was close before; the distance between groups and the area of a
    group mean nothing.

    Returns the rows of `embedding` that are on the map, ascending, and their places,
    (n_points, 2): of all that are not NaN (files that were skipped) at most
    `max_points`, drawn by `random_state`, which seeds t-SNE too. On one busy core of a
    server, 2,000 points of 128 dimensions took 10 seconds, 5,000 took 32 and 10,000
    took 67.
    """
    check_scalar(max_points, "max_points", Integral, min_val=1)
    rows = check_rows(embedding, input_name="embedding")
    random = check_random_state(random_state)
    indices = np.flatnonzero(np.isfinite(rows).all(axis=1))
    if len(indices) > max_points:
        indices = np.sort(random.choice(indices, max_points, replace=False))
    return indices, _project(rows[indices], random).astype(np.float32)


def _project(rows: NDArray, random: np.random.RandomState) -> NDArray:
    """Bring finite rows to two dimensions."""
    if (rows == rows[0]).all():  # t-SNE would divide by their spread
        return np.zeros((len(rows), 2))
    n_components = min(50, *rows.shape)
    reduced = PCA(n_components, random_state=random).fit_transform(rows)
    if len(rows) < 4 or n_components < 2:  # of fewer t-SNE says nothing
        return np.pad(reduced, ((0, 0), (0, 1)))[:, :2]
    perplexity = min(30, (len(rows) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=random)
    return tsne.fit_transform(reduced)


def label_points(coordinates: NDArray, labels: NDArray) -> list[int]:
    """Choose one of the `coordinates` for the name of each cluster among `labels`.

    It is the one nearest to the median: between two islands there may be nothing.
    """
    chosen = []
    for cluster in np.unique(labels):
        members = np.flatnonzero(labels == cluster)
        from_middle = coordinates[members] - np.median(coordinates[members], axis=0)
        chosen.append(int(members[np.linalg.norm(from_middle, axis=1).argmin()]))
    return chosen


def cluster_color(cluster: int) -> str:
    """Return the color of a cluster as a hex code; negative ones (noise) are gray.

    Steps of the golden angle keep near numbers apart; three shades part similar hues.
    """
    hue, lightness = 137.508 / 360 * cluster % 1, (0.45, 0.58, 0.34)[cluster % 3]
    rgb = hls_to_rgb(hue, lightness, 0 if cluster < 0 else 0.65)
    return "#" + bytes(round(255 * value) for value in rgb).hex()
