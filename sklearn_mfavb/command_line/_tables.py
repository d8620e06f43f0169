"""Tables of images and their clusters, as CSV and in other forms."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sklearn_mfavb.files import replace_file

Row = dict[str, Any]


def tabulate(found: Any, paths: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Tell the cluster of every image, and the next likely one; None if skipped.

    `names` are those of the clusters.
    """
    order = (-found.probabilities).argsort(axis=1, kind="stable")[:, :2].tolist()
    rows = []
    for index, path in enumerate(paths):
        label, probabilities = int(found.labels[index]), found.probabilities[index]
        first, *others = order[index]
        row = dict.fromkeys(
            ("path", "cluster", "name", "probability", "second", "second_probability")
        )
        row["path"] = path
        if not isnan(probabilities[0]):
            row["cluster"], row["probability"] = label, float(probabilities[first])
            row["name"] = names[label] if label >= 0 else "outlier"
            if others and label >= 0:
                row["second"] = others[0]
                row["second_probability"] = float(probabilities[others[0]])
        rows.append(row)
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV; probabilities are rounded to six places."""
    lines = ([_as_cell(value) for value in row.values()] for row in rows)
    write_table(path, list(rows[0]), lines)


def _as_cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a table whose first column names files.

    Spreadsheets take text that begins with = + - or @ for a formula: such names of
    files are written ``./=name``, which is the same file, and other text ``'=text``.
    """
    lines: list[str] = []
    sink: Any = SimpleNamespace(write=lines.append)
    writer = csv.writer(sink)  # with the line ends of csv: else \r is not quoted
    writer.writerow(header)
    for name, *values in rows:
        writer.writerow([_harmless(name, "./"), *(_harmless(v, "'") for v in values)])
    text = "".join(line.removesuffix("\r\n") + "\n" for line in lines)
    write_text(path, text)


def _harmless(value: Any, prefix: str) -> Any:
    """Keep spreadsheets from running a text."""
    is_formula = isinstance(value, str) and value[:1] in tuple("=+-@\t\r")
    return prefix + value if is_formula else value


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; bytes of a name that is not UTF-8 are written ``\udc..``."""
    with replace_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _write_parquet(path: Path, rows: Sequence[Row], found: Any) -> None:
    """Write the table for pandas, DuckDB and the like."""
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["path"] = [_decodable(each) for each in columns["path"]]
    with replace_file(path) as file:
        parquet.write_table(pyarrow.table(columns), file)


def _decodable(text: str) -> str:
    """Write bytes that are not UTF-8 as in the CSV."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _write_json(path: Path, rows: Sequence[Row], found: Any) -> None:
    """Write a list with an object for each image, all probabilities included."""
    lines = []
    for row, probabilities in zip(rows, found.probabilities.tolist(), strict=True):
        given = None if row["cluster"] is None else probabilities
        told = {**row, "probabilities": given}
        lines.append(json.dumps(told, ensure_ascii=False))
    write_text(path, "[\n" + ",\n".join(lines) + "\n]\n")


def _write_array(name: str) -> Callable[[Path, Sequence[Row], Any], None]:
    """Make what writes an array of the findings."""

    def write(path: Path, rows: Sequence[Row], found: Any) -> None:
        import numpy as np

        with replace_file(path) as file:
            np.save(file, getattr(found, name))

    return write


# The words of --also, the files that they stand for, and what writes these.
ALSO: dict[str, tuple[str, Callable[[Path, Sequence[Row], Any], None]]] = {
    "parquet": ("clusters.parquet", _write_parquet),
    "json": ("clusters.json", _write_json),
    "probabilities": ("probabilities.npy", _write_array("probabilities")),
    "embedding": ("embedding.npy", _write_array("embedding")),
}


def write_also(
    folder: Path, chosen: Sequence[str], rows: Sequence[Row], found: Any
) -> None:
    """Write files that were asked for, and remove those of earlier results."""
    for word, (name, write) in ALSO.items():
        if word in chosen:
            write(folder / name, rows, found)
        else:
            (folder / name).unlink(missing_ok=True)
