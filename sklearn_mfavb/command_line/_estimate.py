"""How long a run may take, from trials on some of the images."""

import math
import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

_FEW, _MANY = 32, 128  # images of the two trials
_LEAST_EPOCHS, _LARGEST_BATCH = 10, 256  # with features, whatever their number
_SECONDS_OF_REPORT = 0.007  # for an image, on one core


def estimate_seconds(
    estimator: Any, paths: Sequence[str], time_budget: float | None
) -> dict[str, float]:
    """Estimate the seconds of the parts of a run.

    What the second trial takes more than the first is for its images; what both take is
    for the start.
    """
    few, many = (paths[:: max(1, len(paths) // n)][:n] for n in (_FEW, _MANY))
    max_epochs = getattr(estimator, "max_epochs", 0)  # k-means has none
    counts_steps = max_epochs == "auto" and estimator.encoder is not None
    start, *_ = _try(estimator, few, 1)
    rest, training, n_epochs = _try(estimator, many, "auto" if counts_steps else 3)
    an_image = max(0.0, rest - start) / max(1, len(many) - len(few))
    an_epoch = training / max(1, n_epochs)
    if counts_steps:  # an epoch of the trial has one step
        least = _LEAST_EPOCHS * math.ceil(len(paths) / _LARGEST_BATCH)
        training = an_epoch * max(n_epochs, least)
    else:
        epochs = 40 if max_epochs == "auto" else max_epochs
        training = an_epoch * epochs * len(paths) / len(many)
    return {
        "starting": start,
        "reading": an_image * len(paths),
        "training": min(training, math.inf if time_budget is None else time_budget),
        "the report": _SECONDS_OF_REPORT * len(paths),
    }


def _try(
    estimator: Any, paths: Sequence[str], max_epochs: Any
) -> tuple[float, float, int]:
    """Fit to some images; return seconds before and in training, and its epochs."""
    from sklearn.base import clone

    trial = clone(estimator).set_params(
        n_clusters=2,
        batch_size=_MANY,
        training__checkpoint=None,
        training__callbacks=None,
        verbose=0,
    )
    if hasattr(trial, "max_epochs"):
        trial.set_params(max_epochs=max_epochs)
    for encoder in trial.encoder or []:
        # Features that are there count; there are none to be kept for others.
        cache = encoder.cache_dir if os.path.isdir(encoder.cache_dir or "") else None
        encoder.set_params(cache_dir=cache, verbose=0)
    began_at = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so few images
        trial.fit(paths)
    training = sum(row["seconds"] for row in trial.history_)
    return time.monotonic() - began_at - training, training, trial.n_iter_
