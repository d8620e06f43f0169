"""One run of the benchmark: load a set, fit a method, and tell all about it."""

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import clip_baselines
import numpy as np
import torch
from image_sets import load_image_set
from jobs import Job, MissingFeatures
from methods import METHODS, Method
from numpy.typing import NDArray
from profiles import PROFILES, Profile
from recording import read_peak
from scipy.stats import entropy

import sklearn_mfavb
from sklearn_mfavb.images import check_images
from sklearn_mfavb.metrics import clustering_summary, neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors, pixel_features

FEATURES = "clip_vitb16"
PIXELS = "pixels in the place of features"
SIDE = 16  # pixels of k-means, and of the label-free score
N_SCORE_NEIGHBORS = 10  # as in the estimators' score
BATCH = 1024  # images read at once


class Data(NamedTuple):
    """The images of one set that are clustered, and what goes with them."""

    images: NDArray[np.uint8] | list[str]
    classes: NDArray[np.int64]
    features: NDArray[np.float32] | None
    image_size: tuple[int, int]

    @property
    def n_clusters(self) -> int:
        """The number of clusters to ask for, which every method is told."""
        return len(np.unique(self.classes))


class Fit(NamedTuple):
    """What came of a method, in pieces that JSON can hold."""

    labels: NDArray[np.int64]
    seconds: float
    peak_mib: float
    score: float
    settings: dict[str, Any]  # what the profile says
    params: dict[str, Any]  # all of them
    device: str = "cpu"
    peak_device_mib: float | None = None
    history: Sequence[dict[str, Any]] = ()


def measure(job: Job) -> dict[str, Any]:
    """Run a job and return its record; labels enter when all is fitted."""
    profile, method = PROFILES[job.run.profile], METHODS[job.run.method]
    data = load(job, profile)
    if method.uses_features and data.features is None:
        raise MissingFeatures(f"{job.run.dataset} has no features {FEATURES!r}")
    fit_method = fit_baseline if method.baseline else fit_estimator
    fit = fit_method(method, data, profile, job.run.seed)
    sizes = np.bincount(fit.labels, minlength=data.n_clusters)
    features = PIXELS if profile.pixels_as_features else FEATURES
    return {
        **job.run._asdict(),
        "n_images": len(data.classes),
        "image_size": data.image_size,
        "n_clusters": data.n_clusters,
        "features": features if method.uses_features else None,
        **clustering_summary(data.classes, fit.labels),
        "cluster_sizes": sizes.tolist(),
        # Entropy of the sizes: 1 if all are equal, 0 if one cluster holds everything.
        "balance": round(float(entropy(sizes) / math.log(len(sizes))), 4),
        "n_threads": torch.get_num_threads(),
        **{name: value for name, value in fit._asdict().items() if name != "labels"},
    }


def load(job: Job, profile: Profile) -> Data:
    """Load a set, or the random images of it that the profile takes."""
    loaded = load_image_set(job.run.dataset, job.data_dir)
    n_images = len(loaded.target)
    n_kept = min(n_images, profile.sample_sizes.get(job.run.dataset, n_images))
    rows = np.sort(np.random.default_rng(0).permutation(n_images)[:n_kept])
    images = (
        [loaded.images[row] for row in rows]
        if isinstance(loaded.images, list)
        else loaded.images[rows]
    )
    features = loaded.features.get(FEATURES)
    if profile.pixels_as_features:
        features = read_pixels(images)
    elif features is not None:
        features = features[rows].astype(np.float32)
    image_size = check_images(images).image_size
    return Data(images, loaded.target[rows], features, image_size)


def read_pixels(images: NDArray[np.uint8] | list[str]) -> NDArray[np.float32]:
    """Return images as rows of pixels in [0, 1], averaged down to a small side."""
    source = check_images(images)
    starts = range(BATCH, len(source), BATCH)
    blocks = np.split(np.arange(len(source)), starts)
    rows = [
        pixel_features(source.read(block, source.image_size), max_side=SIDE)
        for block in blocks
    ]
    return torch.cat(rows).numpy()


def fit_baseline(method: Method, data: Data, profile: Profile, seed: int) -> Fit:
    """Cluster rows of pixels or features, which no setting of a profile changes."""
    assert method.baseline is not None
    if method.uses_features and data.features is not None:
        rows, space = data.features, clip_baselines.centre(data.features)
    else:
        rows = space = read_pixels(data.images)
    cluster = getattr(clip_baselines, method.baseline)
    start = time.perf_counter()
    labels = cluster(rows, n_clusters=data.n_clusters, seed=seed)
    seconds = time.perf_counter() - start
    peak_mib = round(read_peak(), 1)
    # These are the spaces in which the estimators' score looks for neighbours.
    neighbors = nearest_neighbors(space, N_SCORE_NEIGHBORS)
    return Fit(
        labels=labels,
        seconds=round(seconds, 3),
        peak_mib=peak_mib,
        score=neighbor_agreement(labels, neighbors),
        settings={},
        params={
            "function": method.baseline,
            "n_clusters": data.n_clusters,
            "seed": seed,
        },
    )


def fit_estimator(method: Method, data: Data, profile: Profile, seed: int) -> Fit:
    """Fit a class of the family to images, or to images with features."""
    assert method.estimator is not None
    estimator_class = getattr(sklearn_mfavb, method.estimator)
    settings = choose_settings(method, estimator_class, data, profile)
    estimator = estimator_class(data.n_clusters, **settings, random_state=seed)
    features = {"clip_features": data.features} if method.uses_features else {}
    start = time.perf_counter()
    estimator.fit(data.images, **features)
    seconds = time.perf_counter() - start
    peak_mib = round(read_peak(), 1)
    on_gpu = torch.device(estimator.net_.device).type == "cuda"
    return Fit(
        labels=estimator.labels_,
        seconds=round(seconds, 3),
        peak_mib=peak_mib,
        score=estimator.score(data.images, **features),
        settings=json_safe(settings),
        params=json_safe(estimator.get_params()),
        device=torch.cuda.get_device_name() if on_gpu else "cpu",
        peak_device_mib=(
            round(torch.cuda.max_memory_allocated() / 2**20, 1) if on_gpu else None
        ),
        history=json_safe(estimator.history_),
    )


def choose_settings(
    method: Method, estimator_class: type, data: Data, profile: Profile
) -> dict[str, Any]:
    """Return what the profile says of a class on images of this size."""
    name = estimator_class.__name__
    if method.uses_features:
        return {"clip": "precomputed", **profile.from_features[name]}
    settings = dict(profile.from_pixels[name])
    if profile.follows_reference:
        settings |= getattr(estimator_class, "REFERENCE", {})
        settings.pop("random_state", None)  # the run's seed takes its place
    longest = max(data.image_size)
    if profile.longest_side is not None and longest > profile.longest_side:
        scale = profile.longest_side / longest
        height, width = (max(1, round(side * scale)) for side in data.image_size)
        settings["image_size"] = (height, width)
    return settings


def json_safe(value: Any) -> Any:
    """Return numbers, texts and their containers as they are, all else as its repr."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | int | float | None) else repr(value)
