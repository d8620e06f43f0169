"""Losses that are not finite, and images that leave nothing to learn."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from faults_processes import Ended, call
from faults_scene import (
    FAMILY,
    Fault,
    InjectedLoss,
    Outcome,
    count_of,
    make_estimator,
    make_images,
)
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

__all__ = ["FAULTS"]

N_IMAGES = 24


def refit(name: str, value: float, at: int, checkpoint: Path) -> dict[str, bool]:
    """Fit, fit again with a loss that is injected, and a third time without."""
    images = make_images()
    expected = make_estimator(name).fit_predict(images)
    estimator = make_estimator(name).fit(images[:N_IMAGES])
    before = estimator.predict(images)
    callbacks = [InjectedLoss(value, at)]
    estimator.set_params(callbacks=callbacks, checkpoint=checkpoint)
    text = ""
    try:
        estimator.fit(images)
    except FloatingPointError as error:
        text = str(error)
    stays = np.array_equal(estimator.predict(images), before)
    again = make_estimator(name, checkpoint=checkpoint).fit_predict(images)
    return {
        "told": "The loss is not finite in epoch" in text,
        "earlier fit stays": stays,
        "same labels": np.array_equal(again, expected),
    }


def inject(folder: Path, rng: np.random.Generator) -> Outcome:
    """Inject NaN and infinity into a loss of every class."""
    seen: list[dict[str, bool]] = []
    for name in FAMILY:
        for value in (np.nan, np.inf):
            at = int(rng.integers(1, 7))  # of the 6 batches of two epochs
            path = folder / f"{name} {value}"
            seen.append(call(refit, name, value, at, path).value)
    counts = {key: [each[key] for each in seen] for key in seen[0]}
    happened = (
        "FloatingPointError that names the epoch and the terms: "
        f"{count_of(counts['told'])}; the estimator predicts as before: "
        f"{count_of(counts['earlier fit stays'])}; fitted again from the checkpoint, "
        f"labels as if undisturbed: {count_of(counts['same labels'])}"
    )
    return Outcome(happened, {key: all(held) for key, held in counts.items()})


def fit(name: str, images: NDArray[np.uint8], n_clusters: int) -> Any:
    """Fit; return the labels, once all that is said of them agrees."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator = make_estimator(name, n_clusters=n_clusters).fit(images)
    is_warned = any(issubclass(each.category, ConvergenceWarning) for each in caught)
    assert is_warned == (len(np.unique(estimator.labels_)) < n_clusters)
    probabilities = estimator.predict_proba(images)
    assert np.isfinite(probabilities).all()
    assert np.isfinite(estimator.transform(images)).all()
    assert np.array_equal(estimator.predict(images), estimator.labels_)
    assert np.array_equal(estimator.predict(images[:1]), estimator.labels_[:1])
    return estimator.labels_


def fit_all(images: NDArray[np.uint8], n_clusters: int) -> dict[str, Ended]:
    """Fit every class."""
    return {name: call(fit, name, images, n_clusters) for name in FAMILY}


def describe(ended: dict[str, Ended]) -> str:
    """Say how many clusters hold images, class by class."""
    counts = [len(np.unique(each.value)) for each in ended.values()]
    return f"clusters that hold images, class by class: {', '.join(map(str, counts))}"


def are_alike(ended: dict[str, Ended], images: NDArray[np.uint8]) -> dict[str, bool]:
    """Check that every class gave a label to every image."""
    return {
        name: each.error == "" and len(each.value) == len(images)
        for name, each in ended.items()
    }


def fit_identical(folder: Path, rng: np.random.Generator) -> Outcome:
    """Fit on copies of one image, and on black images."""
    checks: dict[str, bool] = {}
    for kind, image in (("copies", make_images()[:1]), ("black", np.zeros((1, 8, 8)))):
        images = np.repeat(image.astype(np.uint8), N_IMAGES, axis=0)
        ended = fit_all(images, 3)
        for name, held in are_alike(ended, images).items():
            one = held and len(np.unique(ended[name].value)) == 1
            checks[f"{kind}, {name}"] = one
    happened = (
        "one label for all, finite probabilities, ConvergenceWarning about empty "
        f"clusters: {count_of(list(checks.values()))}"
    )
    return Outcome(happened, checks)


def fit_one(folder: Path, rng: np.random.Generator) -> Outcome:
    """Fit on one image, with one cluster and with two."""
    image = make_images()[:1]
    ended, refused = fit_all(image, 1), fit_all(image, 2)
    checks = are_alike(ended, image)
    errors = {each.error for each in refused.values()}
    happened = (
        f"`n_clusters=1`: the label 0, {count_of(list(checks.values()))} classes; "
        f"`n_clusters=2`: {' / '.join(errors)}"
    )
    told = len(errors) == 1 and all("n_samples=1" in error for error in errors)
    return Outcome(happened, {**checks, "n_clusters=2 told": told})


def fit_as_many(folder: Path, rng: np.random.Generator) -> Outcome:
    """Fit with as many clusters as images."""
    images = make_images()[:6]
    ended = fit_all(images, len(images))
    checks = are_alike(ended, images)
    happened = (
        "a label for every image, and ConvergenceWarning about empty clusters; "
        f"{describe(ended)}"
    )
    return Outcome(happened, checks)


FAULTS = (
    Fault(
        "NaN in a loss",
        "a term of the loss becomes NaN or infinite in a random batch, in all six "
        "classes",
        inject,
    ),
    Fault(
        "identical images",
        f"{N_IMAGES} copies of one image, and {N_IMAGES} black ones, all six classes",
        fit_identical,
    ),
    Fault("one image", "one image, all six classes", fit_one),
    Fault("K = n", "6 images and `n_clusters=6`, all six classes", fit_as_many),
)
