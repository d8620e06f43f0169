"""What a fitted estimator says of images, found in one pass over them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.views import View


@dataclass(frozen=True)
class Findings:
    """Images, and what a fitted estimator says of each.

    Parameters
    ----------
    source : ImageSource
        The images; what could not be read is in its ``unreadable``.
    labels : ndarray of int64 of shape (n_samples,)
        What `predict` returns: -1 for files that were skipped.
    probabilities : ndarray of float32 of shape (n_samples, n_clusters)
        What `predict_proba` returns: NaN for files that were skipped.
    embedding : ndarray of float32 of shape (n_samples, embed_dim)
        What `transform` returns: NaN for files that were skipped.
    score : float or None
        What `score` returns; None if it was not asked for.
    """

    source: ImageSource
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    score: float | None = None


def gather_findings(
    estimator: Any, X: Any, *, clip_features: Any = None, with_score: bool = False
) -> Findings:
    """Read and embed images once; each public method would do so again.

    Parameters
    ----------
    estimator : BaseImageClusterer
        A fitted one.
    X : array-like, path or sequence
        Images, in any of the forms that the estimator accepts.
    clip_features : array-like of shape (n_samples, feature_dim), default=None
        Features of the images, for ``clip="precomputed"`` only.
    with_score : bool, default=False
        Whether to compute the score, which seeks the neighbours of every image.

    Returns
    -------
    Findings

    Raises
    ------
    TypeError
        If `estimator` is not one of this package.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If no image can be read.
    """
    check_estimator(estimator)
    check_is_fitted(estimator)
    source, features = estimator._read(X, clip_features)
    readout = estimator.readout_.eval()

    def embed_and_assign(view: View) -> Tensor:
        embedding = estimator._embed_view(view)
        return torch.cat([embedding, readout(embedding).float()], dim=1)

    rows = estimator._apply(embed_and_assign, source, features)
    embedding, probabilities = np.split(rows, [estimator._n_features_out], axis=1)
    labels = probabilities.argmax(axis=1)
    labels[list(source.unreadable)] = -1
    if not (labels >= 0).any():
        raise ValueError(
            f"None of the {len(labels)} images can be read; the first: "
            f"{source.unreadable[0]}"
        )
    score = estimator._score_labels(labels, source, features) if with_score else None
    return Findings(source, labels, probabilities, embedding, score)


def check_estimator(estimator: Any) -> None:
    """Raise TypeError for what is not an estimator of ours."""
    if not isinstance(estimator, BaseImageClusterer):
        raise TypeError(
            "estimator must be one of sklearn_mfavb's, such as MFAVBClustering, got a "
            f"{type(estimator).__name__}: for others, see from_predictions."
        )
