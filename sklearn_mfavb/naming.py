"""The names of clusters."""

from typing import Any

__all__ = ["cluster_names"]


def cluster_names(estimator: Any) -> list[str]:
    """Return the names of a fitted estimator's clusters, else "cluster 0" and so on."""
    names = getattr(estimator, "cluster_names_", None)
    if names is None:
        return [f"cluster {number}" for number in range(estimator.n_clusters_)]
    return list(names)
