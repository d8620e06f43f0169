"""Records of measurements, one JSON line each, and Markdown tables of them."""

import contextlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

Record = dict[str, Any]

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("sklearn-mfavb", "torch", "timm", "skorch", "scikit-learn", "numpy")
LIBRARIES_OF_EXTRA = ("umap-learn", "leidenalg")  # named where they are installed
# Children are forked from a server that has imported these and done nothing else: they
# start in 0.1 s instead of 5 s, and their peak of memory is their own. (The peak of a
# spawned child starts at that of its parent: Linux keeps it over exec.)
PRELOADED = ["sklearn_mfavb.estimators", "sklearn.mixture", "timm", "torchvision"]


def read_records(path: Path) -> list[Record]:
    """Read the records of a file, except lines that a kill cut short."""
    records = []
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            message = f"{path.name}: line {number} is not a whole record; left out."
            print(message, file=sys.stderr)
    return records


def append_record(path: Path, record: Record) -> None:
    """Write a record with versions and machine, at once and on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    for library in LIBRARIES_OF_EXTRA:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    machine = {"processor": platform.machine(), "n_cores": os.cpu_count()}
    line = json.dumps({**record, "versions": versions, "machine": machine}) + "\n"
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode())


def latest(records: Iterable[Record], *keys: str) -> list[Record]:
    """Keep the last record of each combination of values."""
    return list({str([r.get(key) for key in keys]): r for r in records}.values())


def select(records: Iterable[Record], **wanted: Any) -> list[Record]:
    """Keep the records that have the wanted values."""
    return [r for r in records if all(r.get(key) == wanted[key] for key in wanted)]


def distinct(records: Iterable[Record], key: str) -> list[Any]:
    """List the values that records have under a key, each once, in their order."""
    values: list[Any] = []
    for record in records:
        if record.get(key) not in values:
            values.append(record.get(key))
    return values


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Format the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def run_in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process, whose peak of memory is its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def read_peak() -> float:
    """Read the peak of this process's resident memory, in MiB."""
    units_per_mib = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_mib
