"""The command `apply`: results as people decided on the page of the report."""

import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._options import PATH, count, say
from sklearn_mfavb.command_line._results import ResultFolder
from sklearn_mfavb.command_line._sorting import moved_files, sort_files
from sklearn_mfavb.command_line._tables import write_table
from sklearn_mfavb.decisions import Decisions, absolute, read_decisions

_COLUMNS = ("path", "cluster", "name", "probability")


@click.command(epilog="Example: sklearn-mfavb apply decisions.json clusters -o curated")
@click.argument("decisions", type=PATH)
@click.argument("earlier", metavar="RESULTS", type=PATH)
@shared.results
def apply(**given: Any) -> None:
    """Apply decisions about clusters to earlier results.

    DECISIONS is the decisions.json that a report exported, RESULTS the --out of the run
    that wrote the report. These results stay as they are.
    """
    options = SimpleNamespace(**given)
    decisions, results = read_decisions(options.decisions), ResultFolder(options.out)
    if options.out.resolve() == options.earlier.resolve():
        raise ValueError(f"--out {options.out} holds RESULTS: choose another folder.")
    results.check(overwrite=options.overwrite)
    table = ResultTable(options.earlier)
    decisions.check_model(table.n_clusters, table.model)
    if missing := decisions.images.keys() - set(table.paths):
        n_missing = count(len(missing), "moved image")
        say(f"{n_missing} not in {options.earlier}; the first: {min(missing)}")
    results.make()
    curate(decisions, table, results.path, options.sort, options.earlier)


class ResultTable:
    """The clusters.csv and result.json of a folder of results."""

    def __init__(self, folder: Path) -> None:
        with open(folder / "clusters.csv", encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file))
        columns = {*self.rows[0]} if self.rows else set()
        if not columns >= {"path", "cluster", "probability"}:
            raise ValueError(f"{folder}/clusters.csv is not a table of `cluster`.")
        if "second" not in columns:  # its clusters have other numbers
            raise ValueError(
                f"{folder}/clusters.csv was already curated: decisions are about the "
                "results of `cluster`."
            )
        summary = json.loads((folder / "result.json").read_text("utf-8"))
        root = summary["folder"].encode("utf-8", "backslashreplace").decode()
        self.paths = [absolute(root, row["path"]) for row in self.rows]
        self.n_clusters: int = summary["n_clusters"]
        self.model: str | None = summary.get("fingerprint")

    @property
    def found(self) -> Any:
        """Labels, and which images are outliers, as `gather_findings` has them."""
        import numpy as np

        clusters = [row["cluster"] for row in self.rows]
        labels = np.array([int(each or -1) for each in clusters])
        is_outlier = np.array([each == "-1" for each in clusters])
        return SimpleNamespace(labels=labels, is_outlier=is_outlier)


def curate(
    decisions: Decisions,
    table: ResultTable,
    out: Path,
    how: str | None,
    earlier: Path | None = None,
) -> None:
    """Write the table as people decided, and sort files so; None sorts nothing."""
    import numpy as np

    was_read = np.array([row["cluster"] != "" for row in table.rows])
    before = [int(row["cluster"] or -1) for row in table.rows]
    assigned = [
        name if is_in else None
        for name, is_in in zip(
            decisions.assign(table.paths, before), was_read, strict=True
        )
    ]
    numbers = {name: number for number, name in enumerate(decisions.names)}
    labels = np.array([-1 if each is None else numbers[each] for each in assigned])
    names = [
        _name(name, label, row)
        for name, label, row in zip(assigned, before, table.rows, strict=True)
    ]
    rows = [
        (_plain(row["path"]), label if is_in else "", name, row["probability"])
        for row, label, name, is_in in zip(
            table.rows, labels.tolist(), names, was_read.tolist(), strict=True
        )
    ]
    write_table(out / "clusters.csv", _COLUMNS, rows)
    n_images, n_rejected = int((labels >= 0).sum()), names.count("rejected")
    print(
        f"{count(n_images, 'image')} in {count(len(numbers), 'cluster')}, "
        f"{n_rejected:,} rejected"
    )
    print(f"results: {out}")
    found = SimpleNamespace(labels=labels, is_outlier=was_read & (labels < 0))
    moved = {} if earlier is None else moved_files(earlier)
    paths = [
        path if os.path.lexists(path) else moved.get(path, path)
        for path in _on_disk(table.paths)
    ]
    sort_files(paths, list(numbers), found, out, how)


def _name(assigned: str | None, before: int, row: dict[str, str]) -> str:
    """Name what an image belongs to now."""
    if assigned is not None:
        return assigned
    if row["cluster"] == "":  # it could not be read
        return ""
    return "rejected" if before >= 0 else "outlier"


def _plain(path: str) -> str:
    """Take off what keeps spreadsheets from running a name; it is written again."""
    return path.removeprefix("./")


def _on_disk(paths: Sequence[str]) -> list[str]:
    r"""Read the bytes that tables write as ``\udc..``, where names are not UTF-8."""
    pattern = re.compile(r"\\u(dc[89a-f][0-9a-f])")
    return [pattern.sub(lambda found: chr(int(found[1], 16)), each) for each in paths]
