"""Append-only records of benchmark runs: one JSON line each, with versions."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("sklearn-mfavb", "torch", "timm", "skorch", "scikit-learn", "numpy")


def read_records(name: str) -> list[dict[str, Any]]:
    """Return the records of a benchmark, oldest first; none if it never ran."""
    path = RESULTS / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def append_record(name: str, record: dict[str, Any]) -> None:
    """Write one record with the versions and the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    machine = {"processor": platform.machine(), "n_cores": os.cpu_count()}
    line = json.dumps({**record, "versions": versions, "machine": machine})
    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
