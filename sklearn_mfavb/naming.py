"""The names of clusters."""

from typing import Any

__all__ = ["cluster_names", "numbered_names"]


def cluster_names(estimator: Any) -> list[str]:
    """Return the names of a fitted estimator's clusters, else "cluster 0" and so on."""
    names = getattr(estimator, "cluster_names_", None)
    return list(names or numbered_names(estimator.n_clusters_))


def numbered_names(n_clusters: int) -> list[str]:
    """Return the names of clusters of which nothing is known."""
    return [f"cluster {number}" for number in range(n_clusters)]
