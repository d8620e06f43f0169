"""Labels of a stream of batches, divided among the workers of joblib."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mfavb.parallel import map_tasks
from sklearn_mfavb.training import resolve_device

# What grows with the training images; labels of new ones do not need it.
_OF_TRAINING = (
    *("labels_", "paths_", "skipped_", "history_"),
    *("embedding_", "probabilities_", "features_", "_fingerprint"),
)


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
