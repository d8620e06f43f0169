"""Exact nearest neighbors, and pixels as features to find them in."""

from collections.abc import Callable
from numbers import Integral
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import check_scalar
from torch import Tensor
from torch.nn import functional

__all__ = ["cosine_neighbors", "nearest_neighbors", "pixel_features"]


@torch.no_grad()
def nearest_neighbors(
    features: NDArray | Tensor,
    n_neighbors: int,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    device: str | torch.device = "cpu",
    block_bytes: int = 64 * 2**20,
) -> NDArray[np.int64]:
    """Return the nearest other rows of each row, closest first.

    Every pair of rows is compared, in blocks: besides two copies of the features, the
    memory needed is about `block_bytes`, whatever the number of rows.

    Parameters
    ----------
    features : ndarray or torch.Tensor of shape (n_samples, n_features)
        Finite values. Compared in float32, or in float64 if they come so.
    n_neighbors : int
        Number of neighbors of each row, at least 1; at most `n_samples - 1` are found.
    metric : {"euclidean", "cosine"}, default="euclidean"
        What is close: a small distance, or a small angle. A row of zeros has cosine 0
        with all others.
    device : str or torch.device, default="cpu"
        Where the blocks are multiplied; the features must fit there.
    block_bytes : int, default=67108864
        Size of the largest block of similarities, in bytes.

    Returns
    -------
    neighbors : ndarray of int64 of shape (n_samples, min(n_neighbors, n_samples - 1))
        Row numbers. A row is not its own neighbor, though its duplicates are. Equally
        close rows are in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.neighbors import nearest_neighbors
    >>> nearest_neighbors(np.array([[0.0], [1.0], [5.0], [7.0]]), 2)
    array([[1, 2],
           [0, 2],
           [3, 1],
           [2, 1]])
    """
    features = torch.as_tensor(features, device=device)
    _check_arguments(features, n_neighbors, metric)
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    rows, bias = _METRICS[metric](features)
    n_neighbors = min(n_neighbors, len(rows) - 1)
    block_size = max(1, block_bytes // (len(rows) * rows.element_size()))
    blocks = []
    for start in range(0, len(rows), block_size):
        block = rows[start : start + block_size]
        similarity = torch.addmm(bias, block, rows.T)  # (block_size, n_samples)
        similarity.diagonal(offset=start).fill_(-torch.inf)  # by index: duplicates stay
        blocks.append(_closest_first(similarity, n_neighbors).cpu())
    return torch.cat(blocks).numpy()


def cosine_neighbors(
    rows: NDArray[np.float32],
    n_neighbors: int,
    queries: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the nearest rows of other rows by their angle, with the distances.

    Parameters
    ----------
    rows : ndarray of float32 of shape (n_rows, n_features)
        Rows of NaN are no neighbors.
    n_neighbors : int
        Number of neighbors of each query; ValueError if there are fewer rows.
    queries : ndarray of float32 of shape (n_queries, n_features), default=None
        None: the rows themselves, where a row is not its own neighbor.

    Returns
    -------
    distances, indices : ndarrays of float32 and int64 (n_queries, n_neighbors)
        Cosine distances and row numbers, the nearest first; NaN and -1 for NaN.
    """
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1)
    known = np.flatnonzero(np.isfinite(rows[:, 0]))
    # Of unit rows; scikit-learn computes their small distances in float64.
    search = NearestNeighbors(algorithm="brute").fit(normalize(rows[known], copy=False))
    asked = rows if queries is None else queries
    readable = np.isfinite(asked[:, 0])
    distances = np.full((len(asked), n_neighbors), np.nan, dtype=np.float32)
    indices = np.full((len(asked), n_neighbors), -1)
    if readable.any():
        units = None if queries is None else normalize(queries[readable], copy=False)
        lengths, positions = search.kneighbors(units, n_neighbors)
        distances[readable] = np.square(lengths) / 2
        indices[readable] = known[positions]
    return distances, indices


def pixel_features(images: Tensor, *, max_side: int = 16) -> Tensor:
    """Return the pixels of images as rows, averaged down to a small side.

    Features of last resort for :func:`nearest_neighbors`: 100,000 color images need
    about 300 MB at most, whatever their size.

    Parameters
    ----------
    images : torch.Tensor of shape (batch_size, n_channels, height, width)
        uint8 from 0 to 255, or floating point, taken as it is.
    max_side : int, default=16
        Largest height and width kept. A longer side is averaged down to it, a shorter
        one is left alone.

    Returns
    -------
    features : torch.Tensor of shape (batch_size, n_features)
        Float32, on the device of `images`; uint8 is scaled to 0 to 1.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.neighbors import pixel_features
    >>> pixel_features(torch.zeros(5, 3, 224, 224, dtype=torch.uint8)).shape
    torch.Size([5, 768])
    """
    scale = 255 if images.dtype == torch.uint8 else 1
    height, width = images.shape[2:]
    sides = (min(height, max_side), min(width, max_side))
    return functional.adaptive_avg_pool2d(images.float() / scale, sides).flatten(1)


def _euclidean_terms(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows r and bias b: r_x.r_y + b_y falls as the distance of x and y grows.

    |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2), where |x|^2 does not rank y. Distances do
    not change with the origin; at the mean the squares, and so the rounding, are least.
    """
    rows = features - features.mean(dim=0)
    return rows, -rows.square().sum(dim=1) / 2


def _cosine_terms(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows r and bias b: r_x.r_y + b_y rises with the cosine of x and y.

    With m the mean of unit rows, x.y = (x - m).(y - m) + m.(y - m) + m.x, where m.x
    does not rank y. Small differences survive rounding if all rows are alike.
    """
    unit = functional.normalize(features, dim=1)
    mean = unit.mean(dim=0)
    rows = unit - mean
    return rows, rows @ mean


_METRICS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "cosine": _cosine_terms,
    "euclidean": _euclidean_terms,
}


def _closest_first(similarity: Tensor, n_neighbors: int) -> Tensor:
    """Return the columns of the largest values of each row, ties in ascending order."""
    values, columns = similarity.topk(n_neighbors, dim=1, sorted=False)
    columns, order = columns.sort(dim=1)
    values = values.gather(1, order)
    return columns.gather(1, values.argsort(dim=1, descending=True, stable=True))


def _check_arguments(features: Tensor, n_neighbors: int, metric: str) -> None:
    """Raise ValueError for arguments that have no neighbors to give."""
    if features.ndim != 2 or len(features) == 0:
        raise ValueError(
            "features must be of shape (n_samples, n_features) with at least one row, "
            f"got {tuple(features.shape)}."
        )
    if not features.isfinite().all():
        raise ValueError("features must be finite, got NaN or infinity.")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}.")
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {sorted(_METRICS)}, got {metric!r}.")
