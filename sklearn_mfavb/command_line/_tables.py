"""Tables of images and their clusters, as CSV and in other forms."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sklearn_mfavb.files import replace_file

Row = dict[str, Any]

COLUMNS = ("path", "cluster", "name", "probability", "second", "second_probability")
_ROWS_OF_GROUP = 100_000


def tabulate(found: Any, paths: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Tell the cluster of every image, and the next likely one; None if skipped.

    `names` are those of the clusters.
    """
    order = (-found.probabilities).argsort(axis=1, kind="stable")[:, :2].tolist()
    rows = []
    for index, path in enumerate(paths):
        label, probabilities = int(found.labels[index]), found.probabilities[index]
        first, *others = order[index]
        row = dict.fromkeys(COLUMNS)
        row["path"] = path
        if not isnan(probabilities[0]):
            row["cluster"], row["probability"] = label, float(probabilities[first])
            row["name"] = names[label] if label >= 0 else "outlier"
            if others and label >= 0:
                row["second"] = others[0]
                row["second_probability"] = float(probabilities[others[0]])
        rows.append(row)
    return rows


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a table whose first column names files.

    Spreadsheets take text that begins with = + - or @ for a formula: such names of
    files are written ``./=name``, which is the same file, and other text ``'=text``.
    """
    write_text(path, _write_lines([header]) + _write_lines(rows))


def _write_lines(rows: Iterable[Sequence[Any]]) -> str:
    """Write lines of CSV."""
    lines: list[str] = []
    sink: Any = SimpleNamespace(write=lines.append)
    writer = csv.writer(sink)  # with the line ends of csv: else \r is not quoted
    for name, *values in rows:
        writer.writerow([_harmless(name, "./"), *(_harmless(v, "'") for v in values)])
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def _harmless(value: Any, prefix: str) -> Any:
    """Keep spreadsheets from running a text."""
    is_formula = isinstance(value, str) and value[:1] in tuple("=+-@\t\r")
    return prefix + value if is_formula else value


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; bytes of a name that is not UTF-8 are written ``\udc..``."""
    with replace_file(path) as file:
        file.write(_encode(text))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Form:
    """How a file grows: what is before, in, between and after blocks of rows.

    `begin` is called with the number of all images and what was found in a block.
    """

    name: str
    begin: Callable[[int, Any], bytes]
    write: Callable[[Sequence[Row], Any], bytes]
    between: bytes = b""
    end: bytes = b""


def _write_csv(rows: Sequence[Row], found: Any) -> bytes:
    """Round probabilities to six places."""
    return _encode(_write_lines([*map(_as_cell, row.values())] for row in rows))


def _as_cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def _write_json(rows: Sequence[Row], found: Any) -> bytes:
    """Write an object for each image, all probabilities included."""
    pairs = zip(rows, found.probabilities.tolist(), strict=True)
    told = [
        {**row, "probabilities": None if row["cluster"] is None else probabilities}
        for row, probabilities in pairs
    ]
    return _encode(",\n".join(json.dumps(each, ensure_ascii=False) for each in told))


def _write_json_lines(rows: Sequence[Row], found: Any) -> bytes:
    """Write one object a line, with paths that any reader decodes."""
    paths = [_encode(row["path"]).decode() for row in rows]
    told = [{**row, "path": path} for row, path in zip(rows, paths, strict=True)]
    return "".join(json.dumps(each) + "\n" for each in told).encode()


def _array(name: str) -> Form:
    """Describe a file of NumPy with an array of the findings."""

    def begin(n_images: int, found: Any) -> bytes:
        import numpy as np

        array, header = getattr(found, name), io.BytesIO()
        shape = (n_images, *array.shape[1:])
        told = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, told)
        return header.getvalue()

    return Form(
        f"{name}.npy", begin, lambda rows, found: getattr(found, name).tobytes()
    )


CSV = Form("clusters.csv", lambda *of: _encode(_write_lines([COLUMNS])), _write_csv)
# What Parquet is made of in the end: it cannot be continued.
LINES = Form("clusters.jsonl", lambda *of: b"", _write_json_lines)
PARQUET = "clusters.parquet"
# What the words of --also stand for.
ALSO = {
    "parquet": LINES,
    "json": Form("clusters.json", lambda *of: b"[\n", _write_json, b",\n", b"\n]\n"),
    "probabilities": _array("probabilities"),
    "embedding": _array("embedding"),
}


def write_parquet(lines: Path, target: Path) -> None:
    """Write the table for pandas, DuckDB and the like, in groups of rows."""
    import pyarrow
    from pyarrow import parquet

    kinds = (pyarrow.string(), pyarrow.int64(), pyarrow.string(), pyarrow.float64())
    schema = pyarrow.schema(zip(COLUMNS, (*kinds, *kinds[1::2]), strict=True))
    with (
        open(lines, encoding="utf-8") as file,
        replace_file(target) as sink,
        parquet.ParquetWriter(sink, schema) as writer,
    ):
        while rows := [json.loads(line) for line in islice(file, _ROWS_OF_GROUP)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
