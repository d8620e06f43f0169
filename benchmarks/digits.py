"""The digits that ship with scikit-learn: MFAVB, its variants and k-means.

    python benchmarks/digits.py [--methods mfavb ...] [--seeds 0 1 2 3 4]
    python benchmarks/digits.py --report

Each (method, seed) is one fit and one line in ``results/digits.jsonl``; what is
recorded is not run again. Labels only score.
"""

import argparse
import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from recording import append_record, read_records
from sklearn.cluster import KMeans

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.metrics import clustering_summary

METHODS: dict[str, Any] = {
    "kmeans": lambda seed: KMeans(10, n_init=10, random_state=seed),
    "mfavb": lambda seed: MFAVBClustering(10, random_state=seed),
    "mfavb, float32": lambda seed: MFAVBClustering(
        10, precision="float32", random_state=seed
    ),
    "mfavb, literal reading (within_pair)": lambda seed: MFAVBClustering(
        10, contrast="within_pair", random_state=seed
    ),
    "mfavb, no fusion": lambda seed: MFAVBClustering(
        10, contrast="within_pair", shared_depth=2, fused_depth=0, random_state=seed
    ),
    "mfavb, same-image positives": lambda seed: MFAVBClustering(
        10, positives="augmentation", random_state=seed
    ),
    "mfavb, neighbours in the embedding": lambda seed: MFAVBClustering(
        10, neighbor_space="embedding", random_state=seed
    ),
}


def run(method: str, seed: int) -> None:
    """Fit, score and record one method with one seed."""
    images, digits = load_digit_images()
    estimator = METHODS[method](seed)
    rows = images.reshape(len(images), -1)
    start = time.perf_counter()
    labels = estimator.fit_predict(rows)
    seconds = time.perf_counter() - start
    record = {"method": method, "seed": seed, **clustering_summary(digits, labels)}
    record |= {"seconds": round(seconds, 2), "n_threads": torch.get_num_threads()}
    if isinstance(estimator, MFAVBClustering):
        record["score"] = round(estimator.score(rows), 4)
        record["history"] = estimator.history_
    append_record("digits", record)
    print({key: record[key] for key in ("method", "seed", "acc", "nmi", "seconds")})


def report() -> None:
    """Print mean and standard deviation over seeds as a Markdown table."""
    by_method = defaultdict(list)
    for record in read_records("digits"):
        by_method[record["method"]].append(record)
    print("| method | seeds | ACC | lowest | NMI | ARI | seconds | threads |")
    print("|---|---|---|---|---|---|---|---|")
    for method, records in by_method.items():
        cells = [method, str(len(records))]
        acc = np.array([record["acc"] for record in records])
        cells += [f"{acc.mean():.3f} ± {acc.std():.3f}", f"{acc.min():.3f}"]
        for key in ("nmi", "ari", "seconds", "n_threads"):
            values = [record[key] for record in records if key in record]
            cells.append(f"{np.mean(values):.3g}" if values else "")
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    done = {(record["method"], record["seed"]) for record in read_records("digits")}
    if not arguments.report:
        for method in arguments.methods:
            for seed in arguments.seeds:
                if (method, seed) not in done:
                    run(method, seed)
    report()


if __name__ == "__main__":
    main()
