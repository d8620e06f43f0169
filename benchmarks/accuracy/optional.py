"""UMAP and Leiden, whose packages come with the extra "benchmark"."""

import importlib
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, eye_array
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.neighbors import kneighbors_graph
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

__all__ = ["Leiden", "compile_umap", "embed_by_umap"]

# Each bisection halves the logarithm of the ratio of 2,000 between the ends.
_RESOLUTIONS = (0.01, 20.0)
_BISECTIONS = 30


def import_extra(module: str) -> Any:
    """Import a module of the extra, or tell how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"This method needs {module}: pip install 'sklearn-mfavb[benchmark]'."
        ) from error


def embed_by_umap(
    rows: NDArray, *, seed: int, n_epochs: int | None = None
) -> NDArray[np.float32]:
    """Embed rows in ten dimensions that are made for clustering, not for looking at.

    Settings are those of UMAP's guide to clustering, with cosine as CLIP compares. The
    number of passes is UMAP's own unless told.
    """
    umap = import_extra("umap").UMAP(
        n_components=10,
        n_neighbors=30,
        min_dist=0.0,
        metric="cosine",
        n_epochs=n_epochs,
        random_state=seed,
        n_jobs=1,  # what UMAP sets, with a warning, if there is a seed
    )
    return umap.fit_transform(rows)


def compile_umap(rows: NDArray) -> None:
    """Compile what UMAP takes for rows like these: once in a process, not in a fit."""
    embed_by_umap(rows, seed=0, n_epochs=1)


class Leiden(ClusterMixin, BaseEstimator):
    """Communities of the graph of shared neighbors, by modularity with a resolution.

    Neighbors are joined by an edge whose weight is the share of neighbors that they
    have in common (Jaccard), as PhenoGraph does. Source: Traag, Waltman, van Eck, From
    Louvain to Leiden, 2019, arXiv:1810.08473.

    Parameters
    ----------
    n_clusters : int or None, default=None
        The resolution is bisected until there are so many communities, or as near to it
        as was met. None stands for resolution 1, which finds a number of its own.
    n_neighbors : int, default=20
        Neighbors of each row; all other rows if there are fewer.
    random_state : int, RandomState instance or None, default=None
        Seed of the order in which rows are moved.

    Attributes
    ----------
    labels_ : ndarray of int of shape (n_samples,)
        Communities, the largest first.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.optional import Leiden
    >>> rows = np.repeat([[0.0, 1.0], [1.0, 0.0]], 5, axis=0)
    >>> Leiden(n_neighbors=4).fit_predict(rows)  # doctest: +SKIP
    array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """

    labels_: NDArray[np.int64]

    _parameter_constraints: ClassVar[dict] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        n_neighbors: int = 20,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the communities of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that are compared by their Euclidean distance.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        X = validate_data(self, X)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        graph = shared_neighbors(X, min(self.n_neighbors, len(X) - 1))
        if self.n_clusters is None:
            self.labels_ = _communities(graph, 1.0, seed)
        else:
            self.labels_ = _bisect(graph, self.n_clusters, seed)
        return self


def shared_neighbors(rows: NDArray, n_neighbors: int) -> coo_matrix:
    """Return the edges above the diagonal, weighted by the share of common neighbors.

    Every row is among its own neighbors.
    """
    if n_neighbors == 0:
        return coo_matrix((len(rows), len(rows)))
    near = kneighbors_graph(rows, n_neighbors) + eye_array(len(rows), format="csr")
    common = near @ near.T
    joined = common.multiply((near + near.T) > 0).tocoo()
    above = joined.row < joined.col
    weights = joined.data[above] / (2 * (n_neighbors + 1) - joined.data[above])
    places = (joined.row[above], joined.col[above])
    return coo_matrix((weights, places), shape=common.shape)


def _communities(graph: coo_matrix, resolution: float, seed: int) -> NDArray[np.int64]:
    """Partition a graph at a resolution."""
    leidenalg = import_extra("leidenalg")
    edges = np.stack([graph.row, graph.col], axis=1).tolist()
    found = leidenalg.find_partition(
        import_extra("igraph").Graph(graph.shape[0], edges),
        leidenalg.RBConfigurationVertexPartition,
        weights=graph.data.tolist(),
        resolution_parameter=resolution,
        seed=seed,
    )
    return np.array(found.membership)


def _bisect(graph: coo_matrix, n_clusters: int, seed: int) -> NDArray[np.int64]:
    """Partition at the resolution that gives a number of clusters, or nearly."""
    low, high = _RESOLUTIONS
    best = _communities(graph, 1.0, seed)
    for _ in range(_BISECTIONS):
        if best.max() + 1 == n_clusters:
            break
        middle = (low * high) ** 0.5
        labels = _communities(graph, middle, seed)
        if abs(labels.max() + 1 - n_clusters) < abs(best.max() + 1 - n_clusters):
            best = labels
        low, high = (middle, high) if labels.max() < n_clusters - 1 else (low, middle)
    return best
