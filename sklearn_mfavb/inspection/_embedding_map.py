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

_N_COMPONENTS = 50
_PERPLEXITY = 30
_LEAST_POINTS = 4  # t-SNE of fewer says nothing: their principal components do

# Steps of the golden angle keep the colors of near numbers apart; three shades part
# similar hues.
_GOLDEN_ANGLE = 137.508 / 360
_LIGHTNESS = 0.45, 0.58, 0.34
_SATURATION = 0.65


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
        colors = ListedColormap([cluster_color(number) for number in numbers])
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

    Parameters
    ----------
    embedding : array-like of shape (n_samples, embed_dim)
        Rows of NaN (files that were skipped) are left out.
    max_points : int, default=5000
        Most points of the map, drawn at random. On one busy core of a server, 2,000
        points of 128 dimensions took 10 seconds, 5,000 took 32 and 10,000 took 67.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw and of t-SNE.

    Returns
    -------
    indices : ndarray of int64 of shape (n_points,)
        Rows that are on the map, ascending.
    coordinates : ndarray of float32 of shape (n_points, 2)
        Their places.
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
    n_components = min(_N_COMPONENTS, *rows.shape)
    reduced = PCA(n_components, random_state=random).fit_transform(rows)
    if len(rows) < _LEAST_POINTS or n_components < 2:
        return np.pad(reduced, ((0, 0), (0, 1)))[:, :2]
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
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
    """Return the color of a cluster as a hex code; negative ones (noise) are gray."""
    hue = _GOLDEN_ANGLE * cluster % 1
    saturation = 0 if cluster < 0 else _SATURATION
    rgb = hls_to_rgb(hue, _LIGHTNESS[cluster % 3], saturation)
    return "#" + bytes(round(255 * value) for value in rgb).hex()
