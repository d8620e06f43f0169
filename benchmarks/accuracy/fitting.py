"""One fit, and all that is told of it; it has a process of its own."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import entropy
from sklearn.preprocessing import normalize

from benchmarks.accuracy.data import Data, load
from benchmarks.accuracy.methods import PROFILE_SETTINGS, is_ours, make
from benchmarks.accuracy.profiles import PROFILES
from benchmarks.records import Record, read_peak
from sklearn_mfavb.images import open_images
from sklearn_mfavb.metrics import (
    clustering_accuracy,
    clustering_summary,
    neighbor_agreement,
)
from sklearn_mfavb.neighbors import nearest_neighbors

__all__ = ["measure"]


def measure(run: Record, data_dir: Path | None, encoders: list[str]) -> Record:
    """Fit, and tell all about it; labels enter when all is fitted."""
    profile, method, seed = PROFILES[run["profile"]], run["method"], run["seed"]
    data = load(run["dataset"], seed, data_dir=data_dir, encoders=encoders, p=profile)
    ours = is_ours(method)
    settings = choose_settings(run, data) if ours and not encoders else {}
    estimator = make(
        method,
        data.n_clusters,
        seed,
        settings=settings,
        has_features=bool(encoders),
    )
    fitted = scored = data
    if profile.n_fitted:
        order = np.random.default_rng(seed).permutation(len(data.classes))
        fitted, scored = map(data.take, np.split(order, [profile.n_fitted]))
    arguments, keywords = inputs(fitted, ours)
    start = time.perf_counter()
    estimator.fit(*arguments, **keywords)
    seconds = time.perf_counter() - start
    return {
        **run,
        "n_images": len(data.classes),
        "image_size": open_images(data.images).image_size,
        "n_clusters": data.n_clusters,
        "seconds": round(seconds, 3),
        "peak_mib": round(read_peak(), 1),
        "device": name_device(estimator) if ours else "cpu",
        "n_threads": torch.get_num_threads(),
        "settings": json_safe(settings),
        "params": json_safe(estimator.get_params()),
        "history": json_safe(getattr(estimator, "history_", [])),
        **evaluate(estimator, fitted, scored, ours),
    }


def choose_settings(run: Record, data: Data) -> Record:
    """Look up what the profile says of a class on images of this size."""
    settings = PROFILE_SETTINGS.get(run["profile"], {}).get(run["method"], {})
    size = open_images(data.images).image_size
    scale = (PROFILES[run["profile"]].longest_side or max(size)) / max(size)
    if scale >= 1:
        return settings
    reduced = tuple(max(1, round(side * scale)) for side in size)
    return {**settings, "image_size": reduced}


def name_device(estimator: Any) -> str:
    """Name what an estimator was trained on."""
    device = torch.device(estimator.model_.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def inputs(data: Data, ours: bool) -> tuple[list[Any], dict[str, Any]]:
    """Lay out what `fit` and its like take."""
    if not ours:
        return [data.rows()], {}
    return [data.images], ({"features": data.features} if data.features else {})


def evaluate(estimator: Any, fitted: Data, scored: Data, ours: bool) -> Record:
    """Score labels by classes, and without them by the labels of neighbors."""
    if hasattr(estimator, "n_clusters_values_"):
        return {
            "estimated": int(estimator.n_clusters_),
            "values": estimator.n_clusters_values_.tolist(),
            "scores": estimator.scores_.round(4).tolist(),
        }
    arguments, keywords = inputs(scored, ours)
    final = estimator if ours else estimator[-1]
    labels, more = getattr(final, "labels_", None), {}
    if labels is None or scored is not fitted:
        labels = estimator.predict(*arguments, **keywords)
    if scored is not fitted and ours:
        of_fitted = clustering_accuracy(fitted.classes, estimator.labels_)
        more = {"acc_fitted": of_fitted}
    if ours:
        score = estimator.score(*arguments, **keywords)
    else:
        rows = arguments[0]
        if scored.features:  # looked at as the score of the estimators looks at them
            rows = normalize(rows)
            rows = normalize(rows - rows.mean(axis=0))
        neighbors = nearest_neighbors(rows, 10)
        score = neighbor_agreement(labels, neighbors)
    sizes = np.bincount(labels, minlength=scored.n_clusters)
    return {
        **clustering_summary(scored.classes, labels),
        **more,
        "score": float(score),
        "cluster_sizes": sizes.tolist(),
        # Entropy of the sizes: 1 if all are equal, 0 if one cluster holds everything.
        "balance": round(float(entropy(sizes) / math.log(len(sizes))), 4),
    }


def json_safe(value: Any) -> Any:
    """Keep numbers, texts and their containers, and write all else as its repr."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value if isinstance(value, str | int | float | None) else repr(value)
