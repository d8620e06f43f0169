"""One fit, and all that is told of it; it has a process of its own."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize

from benchmarks.accuracy.budget import count_passes
from benchmarks.accuracy.data import Data, load
from benchmarks.accuracy.methods import PROFILE_SETTINGS, is_ours, make
from benchmarks.accuracy.optional import compile_umap
from benchmarks.accuracy.profiles import PROFILES
from benchmarks.accuracy.scoring import score_labels, score_rows
from benchmarks.records import Record, read_peak
from sklearn_mfavb.images import open_images
from sklearn_mfavb.metrics import clustering_accuracy, neighbor_agreement
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
        data.n_clusters if profile.tells_n_clusters else "auto",
        seed,
        settings=settings,
        widths=data.widths,
    )
    fitted = scored = data
    if profile.n_fitted:
        order = np.random.default_rng(seed).permutation(len(data.classes))
        fitted, scored = map(data.take, np.split(order, [profile.n_fitted]))
    if profile.cpu_seconds and ours:
        arguments, keywords = inputs(fitted, method)
        n_passes = count_passes(estimator, profile.cpu_seconds, *arguments, **keywords)
        settings = {**settings, "max_epochs": n_passes}
        estimator.set_params(max_epochs=n_passes)
    taken, labels = fit(estimator, fitted, run)
    return {
        **run,
        "n_images": len(data.classes),
        "image_size": name_size(data),
        "n_clusters": data.n_clusters,
        **taken,
        "peak_mib": round(read_peak(), 1),
        "device": name_device(estimator) if ours else "cpu",
        "n_threads": torch.get_num_threads(),
        "settings": json_safe(settings),
        "params": json_safe(estimator.get_params(deep=ours)),
        **({"n_epochs": estimator.n_iter_} if ours else {}),
        "history": json_safe(getattr(estimator, "history_", [])),
        **evaluate(estimator, labels, fitted, scored, method),
    }


def fit(estimator: Any, data: Data, run: Record) -> tuple[Record, NDArray | None]:
    """Fit; return the time it took, and labels if there are any."""
    arguments, keywords = inputs(data, run["method"])
    if run["method"].startswith("UMAP"):
        compile_umap(arguments[0])
    start, cpu_start = time.perf_counter(), time.process_time()
    # A mixture has labels from here alone, and UMAP runs anew to predict.
    fits = "fit_predict" if hasattr(estimator, "fit_predict") else "fit"
    found = getattr(estimator, fits)(*arguments, **keywords)
    taken = {
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_seconds": round(time.process_time() - cpu_start, 3),
    }
    return taken, None if fits == "fit" else found


def choose_settings(run: Record, data: Data) -> Record:
    """Look up what the profile says of a class on images of this size."""
    settings = PROFILE_SETTINGS.get(run["profile"], {}).get(run["method"], {})
    size = name_size(data) or (0, 0)
    scale = (PROFILES[run["profile"]].longest_side or max(size)) / max(size)
    if scale >= 1:
        return settings
    reduced = tuple(max(1, round(side * scale)) for side in size)
    return {**settings, "image_size": reduced}


def name_size(data: Data) -> tuple[int, int] | None:
    """Tell how large images are, if there are any."""
    return None if data.images is None else open_images(data.images).image_size


def name_device(estimator: Any) -> str:
    """Name what an estimator was trained on."""
    device = torch.device(estimator.model_.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def inputs(data: Data, method: str) -> tuple[list[Any], dict[str, Any]]:
    """Lay out what `fit` and its like take."""
    if is_ours(method):
        return [data.images], ({"features": data.features} if data.features else {})
    if method.startswith("TURTLE") and data.features:  # whose steps suit their lengths
        return [np.hstack(list(data.features.values()))], {}
    return [data.rows()], {}


def evaluate(
    estimator: Any, labels: NDArray | None, fitted: Data, scored: Data, method: str
) -> Record:
    """Score labels by classes, and without them by the labels of neighbors."""
    if labels is None:
        return {
            "estimated": int(estimator.n_clusters_),
            "values": estimator.n_clusters_values_.tolist(),
            "scores": estimator.scores_.round(4).tolist(),
        }
    arguments, keywords = inputs(scored, method)
    more = {}
    if scored is not fitted:
        more["acc_fitted"] = clustering_accuracy(fitted.classes, labels)
        labels = estimator.predict(*arguments, **keywords)
    if is_ours(method):
        more["score"] = float(estimator.score(*arguments, **keywords))
    else:
        more["score"] = neighbor_agreement(labels, find_neighbors(scored)[0])
    known = scored.is_known
    if not known.all():
        fit_in = score_rows(estimator, arguments, keywords)
        fit_in = find_neighbors(scored)[1] if fit_in is None else fit_in
        more["auroc"] = float(roc_auc_score(known, fit_in))
    return {**score_labels(scored.classes[known], labels[known]), **more}


def find_neighbors(data: Data) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Find ten neighbors of each row, and their mean cosine."""
    rows = data.rows()
    if data.features:  # looked at as the score of the estimators looks at them
        rows = normalize(rows)
        rows = normalize(rows - rows.mean(axis=0))
    neighbors = nearest_neighbors(rows, 10)
    cosines = [rows[near] @ row for row, near in zip(rows, neighbors, strict=True)]
    return neighbors, np.mean(cosines, axis=1)


def json_safe(value: Any) -> Any:
    """Keep numbers, texts and their containers, and write all else as its repr."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value if isinstance(value, str | int | float | None) else repr(value)
