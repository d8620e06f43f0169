"""How many clusters NClustersSelector finds, beside how many classes there are.

    python benchmarks/n_clusters.py --data-dir DIR [--weights FILE]
        [--inputs ...] [--sets ...] [--seeds ...]
    python benchmarks/n_clusters.py --report

DIR and FILE are as in ``clip_clustering.py``. A seed chooses the classes of a part of a
set, and is the seed of everything else. The selector has its defaults, and is not told
the number of classes; nor is the estimator whose embedding is looked at. Each (input,
set, number of classes, seed) is one line in ``results/n_clusters.jsonl``; what is
recorded is not run again.
"""

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from clip_clustering import SETS, LabelledImages, load
from numpy.typing import NDArray
from recording import append_record, read_records

from sklearn_mfavb import MFAVBClustering, NClustersSelector

NAME = "n_clusters"
N_CLASSES = (3, 5, 8, 12)  # of parts, besides all that a set has
N_CLUSTERS_LEARNED = 30
SMALLEST_SHARE = 0.1


class Run(NamedTuple):
    """What tells one measurement from all others."""

    input: str
    set: str
    n_classes: int
    seed: int


def clip_features(data: LabelledImages, seed: int) -> NDArray[np.float32]:
    """Return the features as they are."""
    return data.features


def unequal_features(data: LabelledImages, seed: int) -> NDArray[np.float32]:
    """Return features of classes whose sizes fall evenly, the last to a tenth."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(1, SMALLEST_SHARE, data.n_classes)
    kept = []
    for share, name in zip(shares, rng.permutation(data.n_classes), strict=True):
        rows = np.flatnonzero(data.classes == np.unique(data.classes)[name])
        kept.append(rng.permutation(rows)[: round(share * len(rows))])
    return data.features[np.concatenate(kept)]


def pixels(data: LabelledImages, seed: int) -> NDArray[np.float32]:
    """Return the pixels as rows."""
    return data.images.reshape(len(data.images), -1).astype(np.float32)


def learned_embedding(data: LabelledImages, seed: int) -> NDArray[np.float32]:
    """Return the embedding of MFAVB, fitted with more clusters than there are."""
    mfavb = MFAVBClustering(
        N_CLUSTERS_LEARNED, clip="precomputed", random_state=seed
    ).fit(data.images, clip_features=data.features)
    return mfavb.transform(data.images, clip_features=data.features)


INPUTS: dict[str, Callable[[LabelledImages, int], NDArray[np.float32]]] = {
    "CLIP features": clip_features,
    "CLIP features, unequal classes": unequal_features,
    "pixels": pixels,
    "learned embedding": learned_embedding,
}
# Parts are looked at by features alone: all else costs much more.
PARTS_TOO = "CLIP features"


def take_classes(data: LabelledImages, n_classes: int, seed: int) -> LabelledImages:
    """Keep the images of some classes, drawn at random."""
    rng = np.random.default_rng([n_classes, seed])
    chosen = rng.choice(np.unique(data.classes), n_classes, replace=False)
    kept = np.isin(data.classes, chosen)
    return data._replace(
        images=data.images[kept],
        features=data.features[kept],
        classes=data.classes[kept],
    )


def list_runs(
    data: LabelledImages, *, inputs: list[str], seeds: list[int]
) -> list[Run]:
    """List what there is to measure on one set."""
    runs = []
    for input, seed in itertools.product(inputs, seeds):
        parts = N_CLASSES if input == PARTS_TOO else ()
        sizes = [n_classes for n_classes in parts if n_classes < data.n_classes]
        runs += [Run(input, data.name, n, seed) for n in (*sizes, data.n_classes)]
    return runs


def measure(run: Run, data: LabelledImages) -> dict[str, Any]:
    """Estimate the number of clusters of one input."""
    part = take_classes(data, run.n_classes, run.seed)
    rows = INPUTS[run.input](part, run.seed)
    start = time.process_time()
    selector = NClustersSelector(random_state=run.seed).fit(rows)
    seconds = time.process_time() - start
    return {
        "n_samples": len(rows),
        "estimated": selector.n_clusters_,
        "values": selector.n_clusters_values_.tolist(),
        "scores": selector.scores_.round(4).tolist(),
        "cpu_seconds": round(seconds, 2),
        "n_threads": torch.get_num_threads(),
    }


def latest_records() -> dict[Run, dict[str, Any]]:
    """Return the last record of each run."""
    return {
        Run(*(record[field] for field in Run._fields)): record
        for record in read_records(NAME)
    }


def report() -> None:
    """Print a table for each input: every estimate, and how often they are right."""
    records = latest_records()
    for input in INPUTS:
        runs = sorted(run for run in records if run.input == input)
        if not runs:
            continue
        print(f"\n**{input}**\n")
        print(
            "| set | classes | estimated, seed by seed | right | off by one at most |"
        )
        print("|---|---|---|---|---|")
        by_row = defaultdict(list)
        for run in runs:
            by_row[run.set, run.n_classes].append(records[run]["estimated"])
        for (name, n_classes), estimated in by_row.items():
            print_row(name, n_classes, estimated)
        right = [abs(records[run]["estimated"] - run.n_classes) for run in runs]
        print_row("all", "", right, true=0, shows=False)


def print_row(
    name: str,
    n_classes: int | str,
    estimated: list[int],
    *,
    true: int | None = None,
    shows: bool = True,
) -> None:
    """Print how many estimates are right, and nearly."""
    errors = np.abs(np.array(estimated) - (n_classes if true is None else true))
    listed = ", ".join(map(str, estimated)) if shows else ""
    right, near = (f"{(errors <= most).sum()} of {len(errors)}" for most in (0, 1))
    print(f"| {name} | {n_classes} | {listed} | {right} | {near} |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        report()
        return
    if options.data_dir is None:
        parser.error("--data-dir is needed, unless with --report.")
    for name in options.sets:
        data = load(options.data_dir, name, options.weights)
        done = latest_records()
        for run in list_runs(data, inputs=options.inputs, seeds=options.seeds):
            if run not in done:
                append_record(NAME, run._asdict() | measure(run, data))
                print(run, latest_records()[run]["estimated"], flush=True)


if __name__ == "__main__":
    main()
