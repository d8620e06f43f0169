"""Clustering with CLIP features: MFAVB, its variants and what people do today.

    python benchmarks/clip_clustering.py --data-dir DIR [--sets ...] [--methods ...]
    python benchmarks/clip_clustering.py --data-dir DIR --new-images
    python benchmarks/clip_clustering.py --report

DIR holds `<set>.npz` with uint8 `images`, `labels` and `clip_vitb16`, the embeddings of
CLIP ViT-B/16; where they are missing, `--weights FILE` computes them. Each (method,
set, seed) is one fit and one line in ``results/clip_clustering.jsonl``; what is
recorded is not run again, unless `--again` says so. The number of classes is given to
every method; labels only score.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from clip_baselines import BASELINES
from numpy.typing import NDArray
from recording import append_record, read_records

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.augmentation import FeatureNoise
from sklearn_mfavb.metrics import clustering_accuracy, clustering_summary

NAME = "clip_clustering"
CLIP_MODEL = "ViT-B-16-quickgelu"
CACHE = Path(__file__).parent / "clip-features"
# The last was never looked at while parameters were given their defaults.
SETS = ("cifar10_5k", "ucmerced16", "rsscn7", "fashion_mnist_test")
MOST_IMAGES = 5000  # the first of a random order
SCORES = {"ACC": "acc", "NMI": "nmi", "ARI": "ari"}
NEW_IMAGES = "MFAVB, fitted on 4,000"
NEW_IMAGES_SET = "cifar10_5k"
NEW_IMAGES_SCORES = {"ACC, fitted to": "acc_fitted", "ACC, new": "acc_new"}
N_FITTED = 4000


class LabelledImages(NamedTuple):
    """One set of images with the embeddings that go with them."""

    name: str
    images: NDArray[np.uint8]  # (n_samples, height, width, 3)
    features: NDArray[np.float32]  # (n_samples, n_features)
    classes: NDArray[np.int64]  # (n_samples,)

    @property
    def n_classes(self) -> int:
        """The number of clusters to ask for."""
        return len(np.unique(self.classes))


Method = Callable[[LabelledImages, int], NDArray]  # data and seed to labels
Measurement = Callable[[LabelledImages, int], dict[str, float]]
Run = tuple[str, str, int]  # method, set, seed


def load(data_dir: Path, name: str, weights: Path | None) -> LabelledImages:
    """Read one set, or part of it if it is large."""
    with np.load(data_dir / f"{name}.npz") as arrays:
        images, classes = arrays["images"], arrays["labels"].astype(np.int64)
        features = arrays.get("clip_vitb16")
    if len(images) > MOST_IMAGES:
        part = np.random.default_rng(0).permutation(len(images))[:MOST_IMAGES]
        images, classes = images[part], classes[part]
        features = None if features is None else features[part]
    if features is None:
        if weights is None:
            raise SystemExit(f"{name} has no features: name the --weights of CLIP.")
        clip = CLIPFeatures(CLIP_MODEL, weights, cache_dir=CACHE, verbose=1)
        features = clip.fit_transform(images)
    return LabelledImages(name, images, features.astype(np.float32), classes)


def baseline(cluster: Callable[..., NDArray]) -> Method:
    """Return the method that clusters the features alone."""
    return lambda data, seed: cluster(
        data.features, n_clusters=data.n_classes, seed=seed
    )


def mfavb(**changes: Any) -> Method:
    """Return the method that fits MFAVB, so changed, to images and features."""

    def label(data: LabelledImages, seed: int) -> NDArray:
        estimator = MFAVBClustering(
            data.n_classes, clip="precomputed", random_state=seed, **changes
        )
        return estimator.fit(data.images, clip_features=data.features).labels_

    return label


def mfavb_without_clip(data: LabelledImages, seed: int) -> NDArray:
    """Label by MFAVB from the images alone."""
    return MFAVBClustering(data.n_classes, random_state=seed).fit(data.images).labels_


METHODS: dict[str, Method] = {
    **{name: baseline(cluster) for name, cluster in BASELINES.items()},
    "MFAVB": mfavb(),
    "MFAVB, float32": mfavb(precision="float32"),
    "MFAVB, across_pairs": mfavb(contrast="across_pairs"),
    "MFAVB, fused": mfavb(shared_depth=1, fused_depth=1),
    "MFAVB, fused, more noise": mfavb(
        shared_depth=1,
        fused_depth=1,
        feature_augmentation=FeatureNoise(dropout=0.7, noise=0.5),
    ),
    "MFAVB, fused, within_pair": mfavb(
        shared_depth=1, fused_depth=1, contrast="within_pair"
    ),
    "MFAVB, fused, with image tokens": mfavb(image_tokens=True),
    "MFAVB, same-image positives": mfavb(positives="augmentation"),
    "MFAVB, same image, same token": mfavb(
        positives="augmentation", feature_augmentation="none"
    ),
    "MFAVB, single cluster head": mfavb(n_cluster_heads=1),
    "MFAVB, label by cluster head": mfavb(assignment="head"),
    "MFAVB, no CLIP": mfavb_without_clip,
}


def compare(method: Method, data: LabelledImages, seed: int) -> dict[str, float]:
    """Fit one method and score its labels."""
    start = time.perf_counter()
    labels = method(data, seed)
    seconds = time.perf_counter() - start
    return {**clustering_summary(data.classes, labels), "seconds": round(seconds, 2)}


def fit_some_predict_others(data: LabelledImages, seed: int) -> dict[str, float]:
    """Fit MFAVB to 4,000 random images; score its labels of those and of the others."""
    order = np.random.default_rng(seed).permutation(len(data.images))
    fitted, new = np.split(order, [N_FITTED])
    estimator = MFAVBClustering(data.n_classes, clip="precomputed", random_state=seed)
    start = time.perf_counter()
    estimator.fit(data.images[fitted], clip_features=data.features[fitted])
    seconds = time.perf_counter() - start
    predicted = estimator.predict(data.images[new], clip_features=data.features[new])
    return {
        "acc_fitted": clustering_accuracy(data.classes[fitted], estimator.labels_),
        "acc_new": clustering_accuracy(data.classes[new], predicted),
        "seconds": round(seconds, 2),
    }


def latest_records() -> dict[Run, dict[str, Any]]:
    """Return the last record of each run."""
    return {
        (record["method"], record["set"], record["seed"]): record
        for record in read_records(NAME)
    }


def run_missing(
    measurements: dict[str, Measurement],
    data: LabelledImages,
    *,
    seeds: list[int],
    done: set[Run],
) -> None:
    """Record each run that is not done, at once, so that an interruption loses one."""
    for seed in seeds:
        for method, measure in measurements.items():
            if (method, data.name, seed) in done:
                continue
            record: dict[str, Any] = {"method": method, "set": data.name, "seed": seed}
            record |= measure(data, seed) | {"n_threads": torch.get_num_threads()}
            append_record(NAME, record)
            print(record, flush=True)


def print_table(methods: list[str], set_name: str, columns: dict[str, str]) -> None:
    """Print means, deviations over seeds and the median time as a Markdown table."""
    records = latest_records().values()
    print(f"\n**{set_name}**\n")
    print(f"| method | {' | '.join(columns)} | seeds | seconds per fit |")
    print("|---" * (len(columns) + 3) + "|")
    for method in methods:
        runs = [r for r in records if (r["method"], r["set"]) == (method, set_name)]
        if runs:
            scores = [mean_and_deviation(runs, key) for key in columns.values()]
            seconds = np.median([run["seconds"] for run in runs])
            cells = [method, *scores, str(len(runs)), f"{seconds:.3g}"]
            print("| " + " | ".join(cells) + " |")


def mean_and_deviation(runs: list[dict[str, Any]], key: str) -> str:
    """Return the mean of a score over seeds and the standard deviation around it."""
    values = np.array([run[key] for run in runs])
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} ± {values.std():.3f}"


def report() -> None:
    """Print a table for each set, and one for images that were not fitted to."""
    for name in SETS:
        print_table(list(METHODS), name, SCORES)
    print_table([NEW_IMAGES], NEW_IMAGES_SET, NEW_IMAGES_SCORES)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--new-images", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        report()
        return
    if options.data_dir is None:
        parser.error("--data-dir is needed, unless with --report.")
    measurements: dict[str, Measurement] = {
        method: partial(compare, METHODS[method]) for method in options.methods
    }
    if options.new_images:
        options.sets = [NEW_IMAGES_SET]
        measurements = {NEW_IMAGES: fit_some_predict_others}
    done = set() if options.again else set(latest_records())
    for name in options.sets:
        data = load(options.data_dir, name, options.weights)
        run_missing(measurements, data, seeds=options.seeds, done=done)


if __name__ == "__main__":
    main()
