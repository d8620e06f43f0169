"""Embeddings laid out in a plane."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_array, check_random_state, check_scalar

_N_COMPONENTS = 50
_PERPLEXITY = 30
_LEAST_POINTS = 4  # t-SNE of fewer says nothing: their principal components do


def lay_out(
    embedding: ArrayLike, *, max_points: int = 5000, random_state: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Lay rows of an embedding out in a plane, so that neighbours stay together.

    The rows are reduced to 50 principal components and laid out by t-SNE, which starts
    from the first two. What is close in the plane was close before; the distance
    between groups and the area of a group mean nothing.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, embed_dim)
        Rows of NaN (files that were skipped) are left out.
    max_points : int, default=5000
        Most points of the map; of more rows, so many are drawn at random. On one busy
        core of a server, 2,000 points of 128 dimensions took 10 seconds, 5,000 took 32
        and 10,000 took 67.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw and of t-SNE.

    Returns
    -------
    indices : ndarray of int64 of shape (n_points,)
        Rows that are on the map, ascending.
    coordinates : ndarray of float32 of shape (n_points, 2)
        Where they are.

    Raises
    ------
    ValueError
        If `embedding` is no matrix, or `max_points` is less than 1.

    References
    ----------
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.inspection import lay_out
    >>> rows = np.random.default_rng(0).normal(size=(30, 8))
    >>> indices, coordinates = lay_out(rows, max_points=20, random_state=0)
    >>> len(indices), coordinates.shape
    (20, (20, 2))
    """
    check_scalar(max_points, "max_points", Integral, min_val=1)
    rows = check_array(
        embedding,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        input_name="embedding",
    )
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
