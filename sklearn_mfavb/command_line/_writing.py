"""Results in files: tables for any program, figures as JSON."""

import csv
import io
import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_mfavb.command_line._result_folder import ResultFolder
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.inspection import Findings
from sklearn_mfavb.persistence import library_versions

Reasons = list[tuple[str, str]]


def name_files(paths: Iterable[str], folder: str) -> list[str]:
    """Name files by their path below a folder, with slashes on every system."""
    root = os.path.abspath(folder)
    return [Path(os.path.relpath(path, root)).as_posix() for path in paths]


def list_reasons(names: Sequence[str], found: Findings) -> Reasons:
    """List the files that were left out, with why."""
    return [(names[row], why) for row, why in sorted(found.source.unreadable.items())]


def count_members(found: Findings) -> list[int]:
    """Count the images in every cluster."""
    n_clusters = found.probabilities.shape[1]
    labels = found.labels[found.labels >= 0]
    return np.bincount(labels, minlength=n_clusters).tolist()


def write_tables(results: ResultFolder, names: Sequence[str], found: Findings) -> None:
    """Write the cluster of every image, and why files have none."""
    surest = found.probabilities.max(axis=1)
    rows = (
        (name, label, f"{probability:.6f}") if label >= 0 else (name, "", "")
        for name, label, probability in zip(names, found.labels, surest, strict=True)
    )
    _write_table(results.clusters, ("path", "cluster", "probability"), rows)
    _write_table(results.skipped, ("path", "reason"), list_reasons(names, found))


def write_summary(results: ResultFolder, figures: dict[str, Any]) -> None:
    """Write figures, and the versions of what they were made with."""
    versions = {"python": platform.python_version(), **library_versions()}
    content = {**figures, "versions": versions}
    # What JSON does not have, such as the settings of an encoder, is written as text.
    text = json.dumps(content, indent=2, ensure_ascii=False, default=repr)
    _write_text(results.summary, text + "\n")


def _write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows with commas between, and quotes where they are needed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    _write_text(path, text.getvalue())


def _write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; of names that are none, bytes stand as ``\udc..``."""
    with replace_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
