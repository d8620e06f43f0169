"""Compare libraries of approximate search: time, memory and recall.

    python -m benchmarks.speed.neighbor_search DATA [--n-rows N] [--only NAME ...]
        [--n-threads N] [--results FILE]

DATA is a folder of the ``.npz`` files that ``benchmarks/accuracy/data.py`` reads; the
rows are made from their CLIP features. Every library finds the 5 nearest other rows of
each row by the angle, in a process of its own; those that are not installed are left
out. Recall is that of 1,000 rows. Seconds of the processor are recorded beside those of
the clock, which other programs lengthen. A second search tells whether a library
repeats its result.
"""

import argparse
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import RESULTS, Record, append_record, read_peak, run_in_child
from benchmarks.speed.features import spread_real

N_NEIGHBORS = 5
N_ASKED = 1000

Rows = NDArray[np.floating]
Neighbors = NDArray[np.int64]


def by_package(rows: Rows, n_threads: int, method: Any) -> Neighbors:
    """Search as the package does."""
    from sklearn_mfavb.neighbors import nearest_neighbors

    return nearest_neighbors(rows, N_NEIGHBORS, metric="cosine", method=method)


def by_faiss(rows: Rows, n_threads: int, kind: str, options: str) -> Neighbors:
    """Search with an index of faiss."""
    import faiss

    units = unit_rows(rows)
    index = faiss.index_factory(units.shape[1], kind)
    n_trained = min(len(units), 64 * round(2 * len(units) ** 0.5))
    index.train(units[np.random.default_rng(0).permutation(len(units))[:n_trained]])
    index.add(units)
    faiss.ParameterSpace().set_index_parameters(index, options)
    return index.search(units, N_NEIGHBORS + 1)[1]


def by_usearch(rows: Rows, n_threads: int, dtype: str) -> Neighbors:
    """Search in a hierarchy of graphs."""
    from usearch.index import Index

    units = unit_rows(rows)
    index = Index(
        ndim=units.shape[1],
        metric="cos",
        dtype=dtype,
        connectivity=16,
        expansion_add=64,
        expansion_search=64,
    )
    index.add(np.arange(len(units)), units, threads=n_threads)
    found = index.search(units, N_NEIGHBORS + 1, threads=n_threads)
    return found.keys.astype(np.int64)


def by_pynndescent(rows: Rows, n_threads: int) -> Neighbors:
    """Improve a graph of neighbors until it settles."""
    from pynndescent import NNDescent

    search = NNDescent(
        unit_rows(rows), "cosine", n_neighbors=15, n_jobs=n_threads, random_state=0
    )
    return search.neighbor_graph[0].astype(np.int64)


def list_contenders(n_rows: int) -> dict[str, tuple[str, Callable[..., Neighbors]]]:
    """Name every search, and the library that it takes."""
    cells = f"IVF{round(2 * n_rows**0.5)}"
    flat = partial(by_faiss, kind=f"{cells},Flat", options="nprobe=16")
    graph = partial(by_faiss, kind="HNSW16,Flat", options="efSearch=32")
    return {
        "package, exact": ("torch", partial(by_package, method="exact")),
        "package, approximate": (
            "faiss-cpu",
            partial(by_package, method="approximate"),
        ),
        "faiss, cells": ("faiss-cpu", flat),
        "faiss, HNSW": ("faiss-cpu", graph),
        "usearch, bfloat16": ("usearch", partial(by_usearch, dtype="bf16")),
        "usearch, int8": ("usearch", partial(by_usearch, dtype="i8")),
        "pynndescent": ("pynndescent", by_pynndescent),
    }


def unit_rows(rows: Rows) -> NDArray[np.float32]:
    """Bring all rows to unit length."""
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(
    search: Callable[..., Neighbors], path: Path, n_threads: int, repeats: bool
) -> Record:
    """Search in this process."""
    import torch

    torch.set_num_threads(n_threads)
    rows = np.load(path, mmap_mode="r")
    before, start, start_cpu = read_peak(), time.perf_counter(), time.process_time()
    found = search(rows, n_threads)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    rise = read_peak() - before
    record = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "rise_mib": round(rise),  # with the pages of the file that were read
        "features_mib": round(rows.nbytes / 2**20),
        "recall": recall(rows, found),
    }
    if repeats:
        record["same_again"] = float((search(rows, n_threads) == found).mean())
    return record


def recall(rows: Rows, found: Neighbors) -> float:
    """Compute which part of the nearest rows of some is found."""
    import torch

    asked = np.sort(np.random.default_rng(1).permutation(len(rows))[:N_ASKED])
    queries = torch.from_numpy(unit_rows(rows[asked]))
    best = torch.full((len(asked), N_NEIGHBORS), -2.0)
    nearest = torch.zeros(best.shape, dtype=torch.long)
    for start in range(0, len(rows), 20_000):
        cosines = queries @ torch.from_numpy(unit_rows(rows[start : start + 20_000])).T
        inside = (asked >= start) & (asked < start + 20_000)
        cosines[np.flatnonzero(inside), asked[inside] - start] = -2.0  # itself
        numbers = torch.arange(start, start + cosines.shape[1]).expand(cosines.shape)
        best, order = torch.cat([best, cosines], dim=1).topk(N_NEIGHBORS, dim=1)
        nearest = torch.cat([nearest, numbers], dim=1).gather(1, order)
    others = [
        [each for each in row if each != own][:N_NEIGHBORS]
        for row, own in zip(found[asked].tolist(), asked, strict=True)
    ]
    pairs = zip(others, nearest.tolist(), strict=True)
    shared = [len(set(mine) & set(true)) for mine, true in pairs]
    return round(float(np.mean(shared)) / N_NEIGHBORS, 4)


def read_processor() -> str:
    """Read the name of the processor, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else "unknown"


def main() -> None:
    """Read the command line, and record every search as soon as it is done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--n-rows", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--n-threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", action="store_true", help="search twice")
    parser.add_argument(
        "--results", type=Path, default=RESULTS / "neighbor_search.jsonl"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        spread_real(options.data, options.n_rows, path)
        for name, (library, search) in list_contenders(options.n_rows).items():
            if options.only and name not in options.only:
                continue
            try:
                version = importlib.metadata.version(library)
            except importlib.metadata.PackageNotFoundError:
                print(f"skipped: {name}: {library} is not installed.", flush=True)
                continue
            measured = run_in_child(
                measure, search, path, options.n_threads, options.repeats
            )
            about = {
                "search": name,
                "library": f"{library} {version}",
                "n_rows": options.n_rows,
                "n_threads": options.n_threads,
                "model": read_processor(),
            }
            append_record(options.results, {**about, **measured})
            print(name, measured, flush=True)


if __name__ == "__main__":
    main()
