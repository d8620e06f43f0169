"""What a fitted estimator has learned beside its model, and what a file may hold."""

from typing import Any

import numpy as np

# What fit sets beside the model.
LEARNED: dict[str, Any] = {
    "labels_": np.ndarray,
    "embedding_": np.ndarray,
    "probabilities_": np.ndarray,
    "features_": np.ndarray | None,
    "_fingerprint": str | None,
    "history_": list,
    "paths_": list | None,
    "skipped_": dict,
    "max_epochs_": int,
    "n_clusters_": int,
    "n_clusters_scores_": dict | None,
    "cluster_names_": list,
    "cluster_features_": np.ndarray,
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "_sklearn_output_config": dict,
}
_ALWAYS_LEARNED = (
    "labels_",
    "n_clusters_",
    "history_",
    "max_epochs_",
    "paths_",
    "skipped_",
    "cluster_names_",
    "cluster_features_",
)

EMBEDDINGS = {"embedding_", "probabilities_", "features_", "_fingerprint"}


def check_learned(learned: dict[str, Any]) -> None:
    """Raise unless attributes are of their types, and rows as many as labels."""
    for name in (*_ALWAYS_LEARNED, *learned):
        if name not in LEARNED or not isinstance(learned[name], LEARNED[name]):
            raise ValueError(f"{name!r} is not an attribute, or has a wrong type")
    _check_labels(learned)
    names = EMBEDDINGS & learned.keys()
    if names not in (set(), EMBEDDINGS):
        raise ValueError(f"{', '.join(sorted(names))} alone are not all that is kept")
    for name in names:
        rows, n_labels = learned[name], len(learned["labels_"])
        is_array = isinstance(rows, np.ndarray)
        if is_array and (rows.dtype, rows.ndim, len(rows)) != (np.float32, 2, n_labels):
            raise ValueError(f"{name!r} does not have a row of numbers for each label")


def _check_labels(learned: dict[str, Any]) -> None:
    """Raise unless labels are clusters, and what is kept of images fits them."""
    labels, n_clusters = learned["labels_"], learned["n_clusters_"]
    if (labels.dtype, labels.ndim) != (np.int64, 1) or not np.all(
        (labels >= -1) & (labels < n_clusters)
    ):
        raise ValueError("'labels_' are not numbers of clusters")
    for index, why in learned["skipped_"].items():
        is_known = type(index) is int and 0 <= index < len(labels)
        if not (is_known and isinstance(why, str)):
            raise ValueError("'skipped_' does not give reasons for images")
    probabilities = learned.get("probabilities_")
    if probabilities is not None and probabilities.shape[1:] != (n_clusters,):
        raise ValueError("'probabilities_' do not have a column for each cluster")


def check_clusters(learned: dict[str, Any], n_features: int) -> None:
    """Raise unless every cluster has a name and mean features."""
    names, means = learned["cluster_names_"], learned["cluster_features_"]
    shape = (learned["n_clusters_"], n_features)
    if [type(name) for name in names] != [str] * shape[0] or means.shape != shape:
        raise ValueError("clusters do not have a name and a row of features each")
