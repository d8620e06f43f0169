"""What a fitted estimator finds in images, all at once or in a stream of batches."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mfavb.estimators._inputs import (
    fingerprint_inputs,
    open_inputs,
    score_labels,
)
from sklearn_mfavb.estimators._model import Found, Labels, Rows
from sklearn_mfavb.features import FeatureTable, update_paths
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.parallel import map_tasks
from sklearn_mfavb.training import resolve_device

# What grows with the training images; labels of new ones do not need it.
_OF_TRAINING = (
    *("labels_", "paths_", "skipped_", "history_"),
    *("embedding_", "probabilities_", "features_", "_fingerprint"),
)


class Prediction:
    """Images that are opened as `fit` opened its own, and what is found in them.

    Features of the images of `fit` are not computed again, and what `fit` found in them
    is taken over: a fingerprint tells whether they are the same.

    Parameters
    ----------
    estimator : BaseImageClusterer
        Is fitted.
    X, features
        As for `BaseImageClusterer.predict`.

    Attributes
    ----------
    dataset : ImageDataset
        The images and their features.
    """

    def __init__(self, estimator: Any, X: Any, features: Any) -> None:
        check_is_fitted(estimator)
        self.estimator = estimator
        self.model = estimator.model_
        self.runtime = estimator._runtime()
        X, source, features = open_inputs(
            estimator, X, features, image_format=self.model.image_format, reset=False
        )
        kept = getattr(estimator, "features_", None)
        if kept is not None and features is None and len(source or ()) == len(kept):
            table = FeatureTable.of_columns(self.model.encoders, kept)
            self.dataset = ImageDataset(source, estimator.image_size_, None, table)
            if self._are_of_fit():
                return
        update_paths(self.model.encoders, estimator.encoder)
        self.dataset = self.model.encode(X, source, features)

    def labels(self) -> Labels:
        """Return the likeliest cluster of every image; -1 for outliers and skipped."""
        return self.model.label(self.dataset, self.runtime)

    def probabilities(self) -> Rows:
        """Return the probabilities of the clusters, (n_samples, n_clusters)."""
        return self._expand(self.model.probabilities)

    def embedding(self) -> Rows:
        """Embed every image, (n_samples, embed_dim)."""
        return self._expand(self.model.embed)

    def normality(self) -> Rows:
        """Score how normal every image is, (n_samples,)."""
        return self._expand(self.model.score_samples)

    def find(self) -> Found:
        """Label, assign and embed every image."""
        if self._are_of_fit():
            kept = self.estimator
            return Found(kept.labels_, kept.probabilities_, kept.embedding_)
        return self.model.find(self.dataset, self.runtime)

    def agreement(self, labels: Labels) -> float:
        """Score labels by those of neighbors."""
        return score_labels(labels, self.dataset, self.runtime)

    def _expand(self, compute: Any) -> Rows:
        """Compute rows, and spread them over all images, the skipped ones included."""
        return self.dataset.expand(compute(self.dataset, self.runtime))

    def _are_of_fit(self) -> bool:
        """Whether `fit` was given these images and features, and none has changed."""
        known = getattr(self.estimator, "_fingerprint", None)
        if known is None or len(self.dataset) != len(self.estimator.labels_):
            return False
        if fingerprint_inputs(self.dataset) != known:
            return False
        self.dataset.unreadable.update(self.estimator.skipped_)
        return True


def predict_batches(
    estimator: Any, batches: Iterator[Any], features: Any
) -> Iterator[NDArray[np.int64]]:
    """Return an iterator over the labels of batches, each opened where it is read."""
    check_is_fitted(estimator)
    if features is not None:
        raise ValueError(
            "features cannot be passed beside an iterator of batches: pass arrays, or "
            "call predict for each batch and its features."
        )
    lean = copy(estimator)
    for name in _OF_TRAINING:
        lean.__dict__.pop(name, None)
    return map_tasks(
        _BatchPrediction(lean),
        enumerate(batches),
        describe=lambda first, last: f"batches {first} to {last} of X",
    )


@dataclass(frozen=True)
class _BatchPrediction:
    """Label one batch; an error tells which of the iterator's it is."""

    estimator: Any

    def __call__(self, number: int, X: Any) -> NDArray[np.int64]:
        try:
            return self.estimator.predict(X)
        except Exception as error:
            error.add_note(f"This was batch {number} of X, counted from 0.")
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        return _on_own_device, (self.estimator,)


def _on_own_device(estimator: Any) -> _BatchPrediction:
    """Restore what was pickled, on the device that a worker has."""
    device, model = resolve_device(estimator.device), estimator.model_
    for part in (model.network, model.assigner, model.outliers):
        part.to(device)
    return _BatchPrediction(estimator)
