"""What a fitted estimator finds in images: embedded once, shown by all Displays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.augmentation import make_views
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.images import ImageDataset, ImageSource


class Inputs(NamedTuple):
    """Images and their features, of which one may be missing."""

    source: ImageSource | None
    features: Any


@dataclass(frozen=True)
class Findings:
    """Images, and what a fitted estimator finds in them.

    Parameters
    ----------
    inputs : Inputs
        The images and their features.
    labels : ndarray of int64 of shape (n_samples,)
        As returned by `predict`: -1 for files that were skipped.
    probabilities, embedding : ndarray of float32
        As returned by `predict_proba` and `transform`: NaN for files that were skipped.
    score : float, default=None
        As returned by `score`; None if it was not asked for.
    """

    inputs: Inputs
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    score: float | None = None

    @property
    def source(self) -> ImageSource:
        """The images; ValueError if there are none, but features alone."""
        if self.inputs.source is None:
            raise ValueError(
                "X holds features alone, which have no pictures: pass the images as X "
                "and their features as features=."
            )
        return self.inputs.source


def gather_findings(
    estimator: Any, X: Any, *, features: Any = None, with_score: bool = False
) -> Findings:
    """Open and embed images once, for all Displays and the report.

    Parameters
    ----------
    estimator : BaseImageClusterer
        A fitted estimator of this package.
    X : array-like, path or sequence
        Images, in any of the forms that the estimator accepts.
    features : array-like of shape (n_samples, n_features), default=None
        Features of the images, if the estimator was fitted with precomputed ones.
    with_score : bool, default=False
        Whether to compute the score, which seeks the neighbors of every image.
    """
    check_estimator(estimator)
    check_is_fitted(estimator)
    inputs = _open(estimator, X, features)
    embedding = _embed(estimator, inputs)
    probabilities = _assign(estimator, embedding)
    labels = np.where(
        np.isnan(probabilities).any(axis=1), -1, probabilities.argmax(axis=1)
    )
    if inputs.source is not None and not (labels >= 0).any():
        raise ValueError(
            f"None of the {len(labels)} images can be read; the first: "
            f"{inputs.source.unreadable[0]}"
        )
    score = _score(estimator, labels, inputs) if with_score else None
    return Findings(inputs, labels, probabilities, embedding, score)


def check_estimator(estimator: Any) -> None:
    """Raise TypeError for what is not an estimator of this package."""
    if not isinstance(estimator, BaseImageClusterer):
        raise TypeError(
            "estimator must be one of sklearn_mfavb's, such as MFAVBClustering, got a "
            f"{type(estimator).__name__}: for others, see from_predictions."
        )


# Everything below reaches into the estimators, and nothing else in this room does.


def _open(estimator: Any, X: Any, features: Any) -> Inputs:
    return Inputs(*estimator._read(X, features))


def _embed(estimator: Any, inputs: Inputs) -> NDArray[np.float32]:
    return estimator._apply(estimator._embed_view, *inputs)


@torch.no_grad()
def _assign(estimator: Any, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = torch.from_numpy(embedding).to(estimator.net_.device)
    return estimator.readout_.eval()(rows).float().cpu().numpy()


def _score(estimator: Any, labels: NDArray[np.int64], inputs: Inputs) -> float:
    return estimator._score_labels(labels, *inputs)


def open_views(
    estimator: Any, X: Any
) -> tuple[ImageSource, tuple[int, int], tuple[Callable[[Tensor], Tensor], ...]]:
    """Open images, the size at which views of them are made, and what makes them."""
    if not estimator._sees_images and not estimator.clip_views:
        raise ValueError(
            f"With clip={estimator.clip!r} the estimator looks at features alone: its "
            "views are perturbed features, which have no picture. Set "
            "image_tokens=True to have it look at pixels too."
        )
    if hasattr(estimator, "image_size_"):
        source, size = estimator._read_images(X, reset=False), estimator.image_size_
    else:
        reader = clone(estimator)  # reading for the first time leaves traces
        reader._validate_params()
        source = reader._read_images(X, reset=True)
        size = reader._resolve_image_size(source)
    size = source.image_size if estimator.clip_views else size
    augmentation = estimator._resolve_augmentation(ImageDataset(source, size))
    return source, size, make_views(augmentation, size)
