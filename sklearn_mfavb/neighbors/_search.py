"""Nearest neighbors, exact or approximate, and pixels as features to find them in."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from numbers import Integral
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import check_scalar
from torch import Tensor
from torch.nn import functional

from sklearn_mfavb.neighbors._approximate import approximate_neighbors
from sklearn_mfavb.warn import warn_user

Metric = Literal["euclidean", "cosine"]
Method = Literal["auto", "exact", "approximate"]

# Rows up to which "auto" is exact. So many, of 512 features, took one core 33 seconds,
# and approximate search 6 (benchmarks/speed/neighbor_search.py).
_MOST_EXACT = {"cpu": 50_000}
_MOST_EXACT_ON_DEVICE = 1_000_000  # by calculation: 1e15 operations, half a minute
_FEW = 1000  # rows, whose cells would be too small: exact search is as fast


class Table(Protocol):
    """Rows of features that are read when they are indexed, such as a memory map."""

    @property
    def shape(self) -> Any:
        """Rows and columns."""

    def __getitem__(self, index: Any) -> Any:
        """Return some rows."""


@torch.no_grad()
def nearest_neighbors(
    features: Table,
    n_neighbors: int,
    *,
    metric: Metric = "euclidean",
    method: Method = "exact",
    device: str | torch.device = "cpu",
    block_bytes: int = 64 * 2**20,
) -> NDArray[np.int64]:
    """Return the nearest other rows of each row, closest first.

    Exact search compares every pair of rows, in blocks: besides two copies of the
    features in float32, the memory needed is about `block_bytes`, whatever the number
    of rows. Approximate search, with faiss, divides the rows into cells by k-means,
    looks into the 16 cells that are nearest to a row, compares compressed rows there
    [1]_, and the best of those in float16; the features are read in blocks, and a copy
    in float16 is made.

    Parameters
    ----------
    features : ndarray or torch.Tensor of shape (n_samples, n_features)
        Finite values. Compared in float32, or by exact search in float64 if they come
        so. Memory maps, and other tables that give rows when they are indexed, are
        fine too.
    n_neighbors : int
        Number of neighbors of each row, at least 1; at most `n_samples - 1` are found.
    metric : {"euclidean", "cosine"}, default="euclidean"
        What is close: a small distance, or a small angle. A row of zeros has cosine 0
        with all others.
    method : {"auto", "exact", "approximate"}, default="exact"
        ``"auto"`` is approximate beyond 50,000 rows on a CPU and 1,000,000 on other
        devices, if faiss is installed. Up to 1,000 rows all methods are exact.
    device : str or torch.device, default="cpu"
        Where exact search multiplies the blocks; the features must fit there.
        Approximate search is on the CPU.
    block_bytes : int, default=67108864
        Size of the largest block of similarities of exact search, in bytes.

    Returns
    -------
    neighbors : ndarray of int64 of shape (n_samples, min(n_neighbors, n_samples - 1))
        Row numbers. A row is not its own neighbor, though its duplicates are. Equally
        close rows are in ascending order in exact search. Approximate search misses
        some neighbors; if it finds too few, the row itself takes their places.

    Raises
    ------
    ImportError
        If approximate search is asked for and faiss is not installed.

    References
    ----------
    .. [1] H. Jégou, M. Douze and C. Schmid, "Product Quantization for Nearest Neighbor
       Search", 2011, doi:10.1109/TPAMI.2010.57.

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
    _check_arguments(features, n_neighbors, metric)
    if _is_approximate(method, features.shape[0], torch.device(device)):
        read = partial(_read_rows, features, metric=metric)
        return approximate_neighbors(read, features.shape, n_neighbors)
    features = _as_tensor(features[:]).to(device)
    _check_finite(features)
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


def _is_approximate(method: Method, n_samples: int, device: torch.device) -> bool:
    """Replace "auto" by what is faster, if it is installed."""
    limit = _MOST_EXACT.get(device.type, _MOST_EXACT_ON_DEVICE)
    if method != "auto" or n_samples <= limit:
        return method == "approximate" and n_samples > _FEW
    if find_spec("faiss") is None:
        warn_user(
            f"All pairs of {n_samples} rows are compared to find neighbors. "
            "Approximate search takes less time: pip install sklearn-mfavb[large]. Set "
            "method='exact' to be rid of this warning."
        )
        return False
    return True


def _read_rows(features: Table, index: Any, *, metric: Metric) -> NDArray[np.float32]:
    """Read rows whose distance ranks as the metric does."""
    rows = _as_tensor(features[index]).float().cpu()
    _check_finite(rows)
    if metric == "cosine":
        rows = functional.normalize(rows, dim=1)
    return rows.numpy()


def _as_tensor(rows: Any) -> Tensor:
    """Return rows as a tensor: what cannot be written, which torch warns of, copied."""
    is_kept = isinstance(rows, np.ndarray) and not rows.flags.writeable
    return torch.tensor(rows) if is_kept else torch.as_tensor(rows)


def _check_arguments(features: Table, n_neighbors: int, metric: str) -> None:
    """Raise ValueError for arguments that have no neighbors to give."""
    if len(features.shape) != 2 or features.shape[0] == 0:
        raise ValueError(
            "features must be of shape (n_samples, n_features) with at least one row, "
            f"got {tuple(features.shape)}."
        )
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}.")
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {sorted(_METRICS)}, got {metric!r}.")


def _check_finite(features: Tensor) -> None:
    """Raise ValueError for what is at no distance."""
    if not features.isfinite().all():
        raise ValueError("features must be finite, got NaN or infinity.")
