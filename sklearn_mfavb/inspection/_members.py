"""Typical and doubtful members of clusters."""

from dataclasses import dataclass
from functools import partial
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, check_scalar

# Probabilities are compared in whole percents: a mixture gives most images nearly 1,
# and which of 0.99998 and 0.99997 is larger says nothing about the image.
_DECIMALS = 2

check_rows = partial(
    check_array, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
)


@dataclass(frozen=True)
class ClusterMembers:
    """The members of a cluster that are worth a look.

    Parameters
    ----------
    cluster, n_images : int
        The cluster and its size.
    confidence : float
        Mean probability of its members; NaN if it has none.
    typical, doubtful : ndarray of int64
        Rows of its likeliest members, likeliest first, and of its least likely ones,
        least likely first.
    """

    cluster: int
    n_images: int
    confidence: float
    typical: NDArray[np.int64]
    doubtful: NDArray[np.int64]

    @property
    def shown(self) -> list[int]:
        """Rows of all of them."""
        return [*self.typical.tolist(), *self.doubtful.tolist()]


def rank_members(
    probabilities: ArrayLike,
    embedding: ArrayLike | None = None,
    *,
    n_typical: int = 8,
    n_doubtful: int = 8,
) -> list[ClusterMembers]:
    """Find typical and doubtful members of every cluster.

    An image belongs to its likeliest cluster. Members are ordered by that probability
    in whole percents, and where it is equal by the distance from the center of the
    cluster, the mean of its members: the first are typical, the last doubtful.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_clusters)
        Probability of each cluster. Rows of NaN (files that were skipped) belong to no
        cluster.
    embedding : array-like of shape (n_samples, embed_dim), default=None
        None orders equal percents by the exact probability.
    n_typical, n_doubtful : int, default=8
        Members of either kind; a small cluster has fewer, typical ones first.

    Returns
    -------
    list of ClusterMembers
        One for each column of `probabilities`, empty clusters included.

    Examples
    --------
    >>> from sklearn_mfavb.inspection import rank_members
    >>> first, second = rank_members(
    ...     [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]], n_typical=2, n_doubtful=1
    ... )
    >>> first.typical.tolist(), first.doubtful.tolist(), second.typical.tolist()
    ([0, 2], [1], [3])
    """
    check_scalar(n_typical, "n_typical", Integral, min_val=0)
    check_scalar(n_doubtful, "n_doubtful", Integral, min_val=0)
    rows = check_rows(probabilities, input_name="probabilities")
    points = check_rows(
        rows if embedding is None else embedding, input_name="embedding"
    )
    check_consistent_length(rows, points)
    labels = np.where(np.isnan(rows).any(axis=1), -1, rows.argmax(axis=1))
    found = []
    for cluster in range(rows.shape[1]):
        members = np.flatnonzero(labels == cluster)
        probability = rows[members, cluster]
        order = np.argsort(-probability, kind="stable")
        if embedding is not None and len(members):
            from_center = points[members] - points[members].mean(axis=0)
            distance = np.linalg.norm(from_center, axis=1)
            order = np.lexsort((distance, -probability.round(_DECIMALS)))
        typical, others = np.split(members[order], [n_typical])
        confidence = float(probability.mean()) if len(members) else np.nan
        doubtful = others[::-1][:n_doubtful]
        found.append(
            ClusterMembers(cluster, len(members), confidence, typical, doubtful)
        )
    return found
