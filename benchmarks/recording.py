"""Append-only records of benchmark runs: one JSON line each, with versions."""

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("sklearn-mfavb", "torch", "timm", "skorch", "scikit-learn", "numpy")

Record = dict[str, Any]


def read_records(name: str) -> list[Record]:
    """Return the records of a benchmark, oldest first; none if it never ran."""
    return read_file(RESULTS / f"{name}.jsonl")


def append_record(name: str, record: Record) -> None:
    """Write one record with the versions and the machine it was measured on."""
    append_to_file(RESULTS / f"{name}.jsonl", record)


def read_file(path: Path) -> list[Record]:
    """Return the records of a file, less lines that a kill cut short."""
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            print(
                f"{path.name}: line {number} is not a whole record; left out.",
                file=sys.stderr,
            )
    return records


def append_to_file(path: Path, record: Record) -> None:
    """Write one record, on a line of its own even if the last one was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    machine = {"processor": platform.machine(), "n_cores": os.cpu_count()}
    line = json.dumps({**record, "versions": versions, "machine": machine})
    with path.open("ab+") as file:
        if file.tell() and not _ends_line(file):
            line = f"\n{line}"
        file.write(f"{line}\n".encode())


def read_peak(*, of_children: bool = False) -> float:
    """Return the peak resident memory of this process, or of its children, in MiB."""
    import resource  # is not everywhere, and reports do without

    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    units_per_mib = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(who).ru_maxrss / units_per_mib


def _ends_line(file: Any) -> bool:
    """Say whether the last byte of a file is the end of a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
