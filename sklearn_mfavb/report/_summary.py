"""Figures, settings and versions: the tables of the page."""

import inspect
import platform
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from typing import Any

import numpy as np

from sklearn_mfavb.inspection import Findings

_PACKAGES = "sklearn-mfavb scikit-learn torch skorch timm open_clip_torch numpy pillow"
_LONGEST = 200  # characters of a value


def list_facts(estimator: Any, found: Findings) -> dict[str, str]:
    """List the figures at the top of the page."""
    labels = found.labels[found.labels >= 0]
    sizes = np.bincount(labels, minlength=found.probabilities.shape[1])
    surest = found.probabilities[found.labels >= 0].max(axis=1)
    facts = {
        "images": f"{len(labels):,}",
        "skipped": f"{len(found.labels) - len(labels):,}",
        "non-empty clusters": f"{np.count_nonzero(sizes):,} of {len(sizes):,}",
        "cluster sizes": f"{sizes.min():,} to {sizes.max():,}",
        "mean probability": f"{100 * surest.mean():.1f} %",
        "training": _training(estimator),
        "size in pixels": _sizes(estimator, found),
    }
    if found.score is not None:
        facts["agreement of neighbors"] = f"{found.score:.2f} (0 chance, 1 best)"
    return facts


def _training(estimator: Any) -> str:
    """Tell how long training took, and whether it was stopped."""
    n_epochs, planned = estimator.n_iter_, estimator.max_epochs_
    stopped = f"stopped after {n_epochs} of {planned} epochs"
    epochs = stopped if n_epochs < planned else f"{n_epochs} epochs"
    seconds = sum(row["seconds"] for row in estimator.history_)
    return f"{epochs}, {timedelta(seconds=round(seconds))}"


def _sizes(estimator: Any, found: Findings) -> str:
    """Tell the size of the images, and at which size the network sees them."""
    height, width = found.source.image_size
    own = f"{width} x {height}{'' if found.source.has_one_size else ' (median)'}"
    if estimator.image_size_ is None:
        return f"{own}, used features only"
    seen_height, seen_width = estimator.image_size_
    return f"{own}, seen at {seen_width} x {seen_height}"


def list_settings(estimator: Any) -> list[tuple[str, str, bool]]:
    """List name, value and whether it is the default; those that were changed first."""
    signature = inspect.signature(type(estimator)).parameters
    settings = []
    for name, value in estimator.get_params(deep=False).items():
        text = repr(value)
        short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
        settings.append((name, short, text == repr(signature[name].default)))
    return sorted(settings, key=itemgetter(2))


def list_versions() -> dict[str, str]:
    """List the versions of the software that runs here and now."""
    versions = {"Python": f"{platform.python_version()} on {platform.platform()}"}
    for package in _PACKAGES.split():
        with suppress(PackageNotFoundError):  # it may run where it was unpacked
            versions[package] = version(package)
    return versions
