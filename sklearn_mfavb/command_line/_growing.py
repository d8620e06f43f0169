"""Tables that grow by blocks of images, and survive the death of the process."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sklearn_mfavb.command_line._tables import (
    ALSO,
    CSV,
    LINES,
    PARQUET,
    tabulate,
    write_parquet,
    write_text,
)

FOLDER = "unfinished"


class GrowingTables:
    """Tables of a folder of results, which are in ``unfinished/`` until they are whole.

    After every block `progress` is written, with the length of each file: what a killed
    process has written beyond that is cut off by the next one.

    Parameters
    ----------
    out : pathlib.Path
        Folder of results.
    also : sequence of str
        Words of the option ``--also``.
    n_images : int
        How many rows there will be.
    """

    def __init__(self, out: Path, also: Sequence[str], n_images: int) -> None:
        self.out, self.folder = out, out / FOLDER
        self.n_images = n_images
        self.forms = [CSV, *(ALSO[word] for word in also)]
        self.progress: dict[str, Any] = {}

    @property
    def is_begun(self) -> bool:
        """Whether there are rows of an earlier process."""
        return (self.folder / "progress.json").exists()

    @property
    def n_done(self) -> int:
        """Number of images that have a row."""
        return self.progress["n_done"]

    def begin(self, settings: dict[str, str]) -> None:
        """Begin with no row."""
        self.clear()
        self.folder.mkdir(exist_ok=True)
        self.progress = {"settings": settings, "n_done": 0, "n_bytes": {}, "sizes": {}}
        self.progress |= {"unreadable": {}, "is_whole": False}
        self._keep_progress()

    def resume(self, settings: dict[str, str]) -> None:
        """Go on from the last whole block; ValueError if the settings are others."""
        progress = json.loads((self.folder / "progress.json").read_text("utf-8"))
        before = progress["settings"]
        if changed := [name for name in settings if settings[name] != before.get(name)]:
            told = (f"{n} was {before.get(n)}, now {settings[n]}" for n in changed)
            raise ValueError(
                f"{self.folder} has rows of another run: {'; '.join(told)}. To resume, "
                "repeat the original command. To start over, choose another --out or "
                "add --overwrite."
            )
        self.progress = progress
        for name, n_bytes in ({} if self._is_whole else progress["n_bytes"]).items():
            path = self.folder / name
            if not path.exists() or path.stat().st_size < n_bytes:
                raise ValueError(f"{path} is damaged: start over with --overwrite.")
            os.truncate(path, n_bytes)

    def add(
        self,
        found: Any,
        unreadable: Mapping[int, str],
        paths: Sequence[str],
        names: Sequence[str],
    ) -> None:
        """Write the rows of a block of images; `names` are those of the clusters."""
        rows, n_bytes = tabulate(found, paths, names), self.progress["n_bytes"]
        for form in self.forms:
            with open(self.folder / form.name, "ab" if self.n_done else "wb") as file:
                is_first = self.n_done == 0
                start = form.begin(self.n_images, found) if is_first else form.between
                file.write(start + form.write(rows, found))
                _flush(file)
                n_bytes[form.name] = file.tell()
        clusters = [str(row["cluster"]) for row in rows if row["cluster"] is not None]
        sizes = Counter(self.progress["sizes"]) + Counter(clusters)
        self.progress |= {"sizes": sizes, "n_done": self.n_done + len(rows)}
        self.progress["unreadable"].update(
            (paths[position], why) for position, why in unreadable.items()
        )
        self._keep_progress()

    def finish(self) -> None:
        """Move whole tables to the results; those that nobody asked for are removed."""
        if not self._is_whole:
            for form in self.forms:
                with open(self.folder / form.name, "ab") as file:
                    file.write(form.end)
                    _flush(file)
            if LINES in self.forms:
                write_parquet(self.folder / LINES.name, self.folder / PARQUET)
            self.progress["is_whole"] = True
            self._keep_progress()
        chosen = {PARQUET if form is LINES else form.name for form in self.forms}
        for name in sorted(chosen):
            with suppress(FileNotFoundError):  # a process before this one moved it
                os.replace(self.folder / name, self.out / name)
        for name in _names() - chosen:
            (self.out / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what is unfinished, but no file of another name."""
        for name in {*_names(), LINES.name, "progress.json"}:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    @property
    def _is_whole(self) -> bool:
        return self.progress["is_whole"]

    def _keep_progress(self) -> None:
        text = json.dumps(self.progress, indent=1, ensure_ascii=False)
        write_text(self.folder / "progress.json", text)


def _names() -> set[str]:
    """Return the files that tables may have among the results."""
    forms = {form.name for form in (CSV, *ALSO.values()) if form is not LINES}
    return {*forms, PARQUET}


def _flush(file: Any) -> None:
    """Write what was given to a file to the disk."""
    file.flush()
    os.fsync(file.fileno())
