"""What labels are worth, by classes, by neighbors, and among strangers."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from benchmarks.records import Record
from sklearn_mfavb.metrics import clustering_summary

__all__ = ["balanced_accuracy", "score_labels", "score_rows"]


def score_labels(classes: NDArray, labels: NDArray) -> Record:
    """Score labels of images by their classes.

    Label -1, noise, is a cluster as others are, but none that was found.
    """
    sizes = np.bincount(labels[labels >= 0], minlength=len(np.unique(classes)))
    return {
        **clustering_summary(classes, labels),
        "balanced_acc": balanced_accuracy(classes, labels),
        "ami": float(adjusted_mutual_info_score(classes, labels)),
        "n_found": int((sizes > 0).sum()),
        "cluster_sizes": sizes.tolist(),
        # Entropy of the sizes: 1 if all are equal, 0 if one cluster holds everything.
        "balance": round(float(entropy(sizes) / math.log(max(2, len(sizes)))), 4),
    }


def balanced_accuracy(classes: NDArray, labels: NDArray) -> float:
    """Return the mean recall of classes, under the matching that accuracy has.

    A class without a cluster has recall 0.

    Examples
    --------
    >>> from benchmarks.accuracy.scoring import balanced_accuracy
    >>> balanced_accuracy([0, 0, 0, 1], [5, 5, 5, 5])
    0.5
    """
    counts = contingency_matrix(classes, labels)  # (n_classes, n_clusters)
    matched = linear_sum_assignment(counts, maximize=True)
    recalls = counts[matched] / counts.sum(axis=1)[matched[0]]
    return float(recalls.sum() / len(counts))


def score_rows(
    estimator: Any, arguments: list[Any], keywords: dict[str, Any]
) -> NDArray | None:
    """Tell how well images fit in, by what the method has to say of it.

    They are its `score_samples`, memberships, or the distance from the nearest center.
    None stands for a method that has nothing to say.
    """
    final = estimator[-1] if hasattr(estimator, "steps") else estimator
    if hasattr(estimator, "score_samples"):
        return estimator.score_samples(*arguments, **keywords)
    if hasattr(final, "probabilities_"):
        return final.probabilities_
    if hasattr(final, "cluster_centers_"):
        return -estimator.transform(*arguments).min(axis=1)
    return None
