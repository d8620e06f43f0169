"""Figures, settings and what ``"auto"`` became, as texts for the page."""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from sklearn_mfavb.estimators import MFAVBClustering
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.inspection import Findings


class Fact(NamedTuple):
    """A figure at the top of the page, and what it means."""

    name: str
    value: str
    meaning: str


class Setting(NamedTuple):
    """A parameter of the estimator; `resolved` is what ``"auto"`` became, or empty."""

    name: str
    value: str
    resolved: str
    is_default: bool

    @property
    def is_worth_telling(self) -> bool:
        """Whether the value is not the default, or none by itself."""
        return bool(self.resolved) or not self.is_default


def list_facts(estimator: Any, found: Findings) -> Iterator[Fact]:
    """Yield the figures at the top of the page."""
    labels = found.labels[found.labels >= 0]
    n_outliers = np.count_nonzero(found.is_outlier)
    sizes = np.bincount(labels, minlength=found.probabilities.shape[1])
    unread = f"{len(found.source.unreadable):,} skipped"
    kind = "features" if found.inputs.features is not None else "pixels"
    height, width = found.source.image_size
    median = "" if found.source.has_one_size else " (median)"
    seen = "used features only"
    if estimator.image_size_ is not None:
        seen = "seen at {1} x {0}".format(*estimator.image_size_)
    yield Fact(
        "Images",
        f"{len(labels) + n_outliers:,}",
        f"{unread}; {width} x {height} pixels{median}, {seen}",
    )
    n_used = np.count_nonzero(sizes)
    yield Fact(
        "Clusters",
        f"{n_used:,}" if n_used == len(sizes) else f"{n_used:,} of {len(sizes):,} used",
        f"{sizes.min():,} to {sizes.max():,} images each{_tell_choice(estimator)}",
    )
    if n_outliers:
        yield Fact("Outliers", f"{n_outliers:,}", "images that are in no cluster")
    if found.score is not None:
        caution = "" if kind == "features" else ", which say little on photographs"
        yield Fact(
            "Neighbors agree",
            f"{found.score:.2f}",
            "0 is chance, 1 is best: how far the 10 nearest images, by "
            f"{kind}{caution}, confirm a label",
        )
    if len(labels):
        surest = found.probabilities[found.labels >= 0].max(axis=1)
        yield Fact(
            "Mean probability",
            f"{100 * surest.mean():.0f} %",
            "how sure the model is; not calibrated, so it orders images and no more",
        )
    if estimator.history_:
        yield _tell_training(estimator)


def _tell_choice(estimator: Any) -> str:
    """Tell how the number of clusters was found, if it was looked for."""
    tried = estimator.n_clusters_scores_
    return "" if tried is None else f"; found among {min(tried)} to {max(tried)}"


def _tell_training(estimator: Any) -> Fact:
    """Tell how long training took, and whether it was ended early."""
    n_epochs, planned = estimator.n_iter_, estimator.max_epochs_
    seconds = timedelta(seconds=round(sum(r["seconds"] for r in estimator.history_)))
    took = f"took {seconds} (h:mm:ss)"
    if n_epochs < planned:
        value = f"stopped after {n_epochs} of {planned} epochs"
        return Fact("Training", value, f"{took}; more epochs may improve the labels")
    return Fact("Training", f"complete, {n_epochs} epochs", took)


def list_settings(estimator: Any) -> list[Setting]:
    """List all parameters; those that were changed, then those that were ``"auto"``."""
    signature = inspect.signature(type(estimator)).parameters
    resolved = _list_resolved(estimator)
    settings = []
    for name, value in estimator.get_params(deep=False).items():
        text = repr(value)
        short = text if len(text) <= 200 else f"{text[:200]} ..."
        is_auto = isinstance(value, str) and value == "auto"
        is_default = text == repr(signature[name].default)
        became = resolved.get(name, "") if is_auto else ""
        settings.append(Setting(name, short, became, is_default))
    return sorted(settings, key=lambda each: (each.is_default, not each.resolved))


def _list_resolved(estimator: Any) -> dict[str, str]:
    """Tell what ``"auto"`` became, by parameter, as far as a fitted model shows it."""
    model = estimator.model_
    backbone, n_features = model.network.backbone, len(model.encoders)
    n_weights = sum(each.numel() for each in backbone.parameters())
    n_fitted = len(estimator.labels_) - len(estimator.skipped_)
    fitted = ImageDataset(None, None, features=np.empty((n_fitted, 0)))
    fitted.size = model.image_size  # of the images, what "auto" asks for
    size, gray = model.image_size, getattr(model.image_format, "n_channels", 0) == 1
    by_neighbors = n_features > 0 or gray
    resolved = {
        "assignment": type(model.assigner).__name__,
        "augmentation": "characters" if gray else "photographs",
        "backbone": f"{type(backbone).__name__}, {backbone.embed_dim} wide, "
        f"{n_weights:,} weights",
        "batch_size": str(estimator._resolve_batch_size(fitted)),
        "device": str(model.device),
        "image_size": "no pixels are used" if size is None else "{} x {}".format(*size),
        "max_epochs": str(estimator.max_epochs_),
        "n_clusters": str(estimator.n_clusters_),
        "outliers": f"{np.count_nonzero(estimator.labels_ < 0):,} images",
        "positives": "neighbors" if by_neighbors else "augmentation",
        "use_pixels": str(size is not None),
    }
    if isinstance(estimator, MFAVBClustering):
        resolved["contrast"] = estimator._resolve_contrast(fitted)
    if size is None:
        resolved["augmentation"] = "of features only"
    if (balance := getattr(model.assigner, "balance", None)) is not None:
        resolved["balance"] = f"{float(balance):.2f}"
    return resolved
