"""Fit and predict on many rows of features with known clusters: time, memory, ACC.

    python -m benchmarks.speed.million [--n-rows N ...] [--n-threads N]
        [--results FILE] [--plot FILE]

The rows are those of `features.draw_mixture`, in float16, a memory map. Every size is
measured in a process of its own. Memory is what the process has beside mapped files,
its libraries included. Seconds of the processor are recorded beside those of the clock,
which other programs lengthen. `--plot` draws what is recorded and measures nothing.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import (
    RESULTS,
    Record,
    append_record,
    latest,
    read_records,
    run_in_child,
)
from benchmarks.speed.features import N_CLUSTERS, draw_mixture
from benchmarks.speed.neighbor_search import read_processor

# What is timed of a fit, by the name that calls it.
PARTS = {
    "reading": "sklearn_mfavb.estimators._inputs.fit_encoders",
    "neighbors": "sklearn_mfavb.positives.nearest_neighbors",
    "training": "sklearn_mfavb.estimators._fit.train",
    "embedding": "sklearn_mfavb.estimators._fit.apply_to_views",
    "mixture": "sklearn_mfavb.estimators._fit.fit_assigner",
}
MOST_FOR_KMEANS = 20_000  # rows; the others are labeled by the centers

Times = dict[str, tuple[float, float]]  # wall, processor


class Memory(threading.Thread):
    """Watch the memory of this process beside mapped files, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Read it every 50 milliseconds (Linux)."""
        while not self.is_over.wait(0.05):
            status = Path("/proc/self/status").read_text()
            anonymous = status.split("RssAnon:")[1].split()[0]
            self.peak = max(self.peak, int(anonymous) / 1024)


@contextmanager
def timing(times: Times, name: str) -> Iterator[None]:
    """Add to the times of a part."""
    start, start_cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = times.get(name, (0.0, 0.0))
    wall += time.perf_counter() - start
    cpu += time.process_time() - start_cpu
    times[name] = wall, cpu
    print(f"{name}: {wall:.1f} s, of the processor {cpu:.1f} s", flush=True)


def timed(function: Callable[..., Any], times: Times, name: str) -> Callable[..., Any]:
    """Time every call of a function."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with timing(times, name):
            return function(*args, **kwargs)

    return call


@contextmanager
def timing_parts(times: Times) -> Iterator[None]:
    """Time the parts of a fit."""
    from importlib import import_module

    patches = []
    for name, path in PARTS.items():
        module, _, attribute = path.rpartition(".")
        function = getattr(import_module(module), attribute)
        patches.append(patch(path, timed(function, times, name)))
    for each in patches:
        each.start()
    yield
    for each in patches:
        each.stop()


def measure(path: Path, labels: NDArray[np.int64], n_threads: int) -> Record:
    """Fit and predict in this process."""
    import torch

    from sklearn_mfavb import MFAVBClustering
    from sklearn_mfavb.metrics import clustering_accuracy

    torch.set_num_threads(n_threads)
    rows = np.load(path, mmap_mode="r")
    clusterer = MFAVBClustering(N_CLUSTERS, encoder="precomputed", random_state=0)
    times: Times = {}
    memory = Memory()
    memory.start()
    with timing(times, "fit"), timing_parts(times):
        clusterer.fit(rows)
    peak_of_fit = memory.peak
    with timing(times, "predict"):
        predicted = clusterer.predict(rows)
    memory.is_over.set()
    wall, cpu = (
        {name: round(each[which], 2) for name, each in times.items()}
        for which in (0, 1)
    )
    for each in (wall, cpu):  # neighbors are found when training is prepared
        each["training"] = round(each["training"] - each["neighbors"], 2)
    return {
        "seconds": wall,
        "cpu_seconds": cpu,
        "fit_peak_mib": round(peak_of_fit),
        "peak_mib": round(memory.peak),
        "features_mib": round(rows.nbytes / 2**20),
        "n_epochs": clusterer.n_iter_,
        "acc": round(clustering_accuracy(labels, clusterer.labels_), 4),
        "same_by_predict": round(float((predicted == clusterer.labels_).mean()), 4),
    }


def score_kmeans(path: Path, labels: NDArray[np.int64]) -> float:
    """Score k-means on unit rows, of which it sees some."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import normalize

    from sklearn_mfavb.metrics import clustering_accuracy

    rows = np.load(path, mmap_mode="r")[:MOST_FOR_KMEANS]  # in no order
    units = normalize(rows.astype(np.float32))
    found = KMeans(N_CLUSTERS, n_init=3, random_state=0).fit_predict(units)
    return round(clustering_accuracy(labels[:MOST_FOR_KMEANS], found), 4)


def draw(records: list[Record], path: Path) -> None:
    """Draw time by part and memory against the number of rows."""
    from matplotlib.figure import Figure

    records = sorted(records, key=lambda record: record["n_rows"])
    sizes = [record["n_rows"] for record in records]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    times, memory = figure.subplots(1, 2)
    for name in records[0]["cpu_seconds"]:
        seconds = [record["cpu_seconds"].get(name, np.nan) for record in records]
        style = {"linewidth": 2.5, "color": "black"} if name == "fit" else {}
        times.loglog(sizes, seconds, marker=".", label=name, **style)
    times.set(xlabel="rows", ylabel="seconds of the processor")
    times.legend(fontsize="small")
    for key, name in (("peak_mib", "the process"), ("features_mib", "the features")):
        memory.loglog(sizes, [r[key] for r in records], marker=".", label=name)
    memory.set(xlabel="rows", ylabel="MiB")
    memory.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the command line; measure and record, or draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--n-rows", type=int, nargs="+", default=sizes)
    parser.add_argument("--n-threads", type=int, default=os.cpu_count())
    parser.add_argument("--results", type=Path, default=RESULTS / "million.jsonl")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.plot is not None:
        draw(latest(read_records(options.results), "n_rows"), options.plot)
        return
    for n_rows in options.n_rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            labels = draw_mixture(n_rows, path)
            measured = run_in_child(measure, path, labels, options.n_threads)
            measured["kmeans_acc"] = run_in_child(score_kmeans, path, labels)
        about = {"n_rows": n_rows, "n_threads": options.n_threads}
        record = {**about, "model": read_processor(), **measured}
        append_record(options.results, record)
        print(record, flush=True)


if __name__ == "__main__":
    main()
