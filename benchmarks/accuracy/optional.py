"""UMAP and Leiden, whose packages come with the extra "benchmark"."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, eye_array
from sklearn.neighbors import kneighbors_graph

__all__ = ["compile_umap", "embed_by_umap", "leiden"]

N_NEIGHBORS = 20
# Between which the resolution is bisected, and how often.
RESOLUTIONS = (0.01, 20.0)
N_BISECTIONS = 30


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


def leiden(rows: NDArray, n_clusters: int | None, *, seed: int) -> NDArray[np.int64]:
    """Find communities in the graph of shared neighbors, the largest first.

    Neighbors are joined by an edge whose weight is the share of neighbors that they
    have in common (Jaccard), as PhenoGraph does. The resolution of the modularity is
    bisected until there are `n_clusters`, or as near to it as was met; without it the
    resolution is 1. Source: Traag, Waltman, van Eck, From Louvain to Leiden, 2019,
    arXiv:1810.08473.
    """
    graph = shared_neighbors(rows, min(N_NEIGHBORS, len(rows) - 1))
    best = _communities(graph, 1.0, seed)
    low, high = RESOLUTIONS
    for _ in range(N_BISECTIONS):
        if n_clusters in (None, best.max() + 1):
            break
        middle = (low * high) ** 0.5
        labels = _communities(graph, middle, seed)
        best = min(best, labels, key=lambda found: abs(found.max() + 1 - n_clusters))
        low, high = (middle, high) if labels.max() < n_clusters - 1 else (low, middle)
    return best


def shared_neighbors(rows: NDArray, n_neighbors: int) -> coo_matrix:
    """Return the edges above the diagonal, weighted by the share of common neighbors.

    Every row is among its own neighbors.
    """
    near = eye_array(len(rows), format="csr")
    if n_neighbors > 0:
        near = near + kneighbors_graph(rows, n_neighbors)
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
