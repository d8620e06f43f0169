"""What commands leave: tables, figures, a page, and sorted files."""

import csv
import json
import os
import platform
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import PROGRAM, count, say
from sklearn_mfavb.files import free_path, numbered, replace_file

_MOST_SHOWN = 10  # files that were skipped; skipped.csv has all


class ResultFolder:
    """Files that commands write, and the rules for a folder that is not empty."""

    def __init__(self, path: Path) -> None:
        self.began_at = time.monotonic()
        self.path = path
        self.model = path / "model.mfavb"
        self.report = path / "report.html"
        self.features = path / "features"
        # Training so far; the same when it has ended, until all results are written;
        # and that of the run before, until this one is over.
        self.checkpoint = path / "training.checkpoint"
        self.last_checkpoint = path / "training-end.checkpoint"
        self.earlier_checkpoint = path / "training-before.checkpoint"

    @property
    def has_training(self) -> bool:
        """Whether there is training of this run to continue."""
        return self.checkpoint.exists() or self.last_checkpoint.exists()

    def check(self, *, overwrite: bool, resume: bool | None = None) -> None:
        """Raise if results may not be written here. None: it cannot be resumed."""
        names = os.listdir(self.path) if self.path.is_dir() else []
        # Features, and what a killed process was writing, do not count.
        is_new = all(n == self.features.name or n.startswith(".mfavb-") for n in names)
        can_resume = resume is not None and bool(self._kept())
        if is_new or overwrite or (resume and can_resume):
            return
        lacking = ", and holds no training to --resume" if resume else ""
        advice = ", or --resume to continue it" if can_resume else ""
        raise ValueError(
            f"--out {self.path} is not empty{lacking}. Choose another folder, or add "
            f"--overwrite to replace the results of an earlier run{advice}."
        )

    def make(self) -> None:
        """Make the folder; if it cannot be written to, that is better known now."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            place = f"--out {self.path}"
            raise OSError(error.errno, error.strerror, place) from error

    def keep_earlier_training(self, *, resume: bool) -> None:
        """Make training of a run before that of this one, or set it aside."""
        if kept := self._kept():
            first, *others = kept
            for other in others:
                other.unlink()
            first.rename(self.checkpoint if resume else self.earlier_checkpoint)

    def forget_replaced_training(self) -> None:
        """Remove training that results have replaced."""
        for path in (self.last_checkpoint, self.earlier_checkpoint):
            path.unlink(missing_ok=True)

    def _kept(self) -> list[Path]:
        """List the checkpoints that are there, the one to continue with first."""
        names = (self.checkpoint, self.last_checkpoint, self.earlier_checkpoint)
        return [path for path in names if path.exists()]


def write_results(
    estimator: Any,
    images: Images,
    results: ResultFolder,
    *,
    words: Sequence[str],
    figures: dict[str, Any],
) -> Any:
    """Label images, write tables and figures, print them in short, return findings."""
    from sklearn_mfavb.inspection import gather_findings
    from sklearn_mfavb.persistence import library_versions

    found = gather_findings(estimator, images.paths, with_score=True)
    labels, n_clusters = found.labels.tolist(), found.probabilities.shape[1]
    sizes = [labels.count(cluster) for cluster in range(n_clusters)]
    n_outliers = int(found.is_outlier.sum())
    names = [images.name(path) for path in images.paths]
    unreadable = {names[row]: why for row, why in found.source.unreadable.items()}
    ignored = {images.name(path): why for path, why in images.ignored.items()}
    surest = zip(names, labels, found.probabilities.max(axis=1), strict=True)
    rows = (
        (name, "", "") if isnan(probability) else (name, label, f"{probability:.6f}")
        for name, label, probability in surest
    )
    write_table(results.path / "clusters.csv", ("path", "cluster", "probability"), rows)
    left_out = sorted({**unreadable, **ignored}.items())
    write_table(results.path / "skipped.csv", ("path", "reason"), left_out)
    summary = {
        "command": shlex.join([PROGRAM, *words]),
        "folder": images.root,
        "estimator": type(estimator).__name__,
        "settings": estimator.get_params(deep=False),
        "n_images": len(labels) - len(unreadable),
        "n_clusters": n_clusters,
        "n_clusters_scores": estimator.n_clusters_scores_,
        "n_outliers": n_outliers,
        "n_skipped": len(unreadable),
        "n_ignored": len(ignored),
        "sizes": sizes,
        "score": found.score,
        "seconds": time.monotonic() - results.began_at,
        **figures,
        "versions": {"python": platform.python_version(), **library_versions()},
    }
    # What JSON does not have, such as the settings of an encoder, is written as text.
    text = json.dumps(summary, indent=2, ensure_ascii=False, default=repr)
    _write_text(results.path / "result.json", text + "\n")
    if unreadable:
        lines = [f"  {name!r}: {why}" for name, why in sorted(unreadable.items())]
        if len(lines) > _MOST_SHOWN:
            n_more = len(lines) - _MOST_SHOWN
            lines[_MOST_SHOWN:] = [f"  and {n_more:,} more: see skipped.csv"]
        say("\n".join([f"{count(len(unreadable), 'file')} skipped:", *lines]))
    others = f", {count(n_outliers, 'outlier')}" if n_outliers else ""
    space = "pixels" if estimator.encoder is None else "features"
    print(
        f"{count(sum(sizes), 'image')} in {n_clusters:,} clusters of {min(sizes):,} to "
        f"{max(sizes):,}{others}; neighbor agreement {found.score:.2f} "
        f"(0 = chance, 1 = perfect; by {space})"
    )
    print(f"results: {results.path}")
    return found


def write_page(estimator: Any, X: Any, page: Path, name: str, seed: int) -> None:
    """Write the report on images, or on what was found in them."""
    from sklearn_mfavb.report import write_report

    say("writing the report")
    write_report(estimator, X, page, title=f"Clusters of {name}", random_state=seed)
    print(f"report: {page}")


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write a table whose first column names files.

    Spreadsheets take text that begins with = + - or @ for a formula: such names are
    written ``./=name``, which is the same file.
    """
    lines: list[str] = []
    sink: Any = SimpleNamespace(write=lines.append)
    writer = csv.writer(sink)  # with the line ends of csv: else \r is not quoted
    writer.writerow(header)
    for name, *values in rows:
        writer.writerow([f"./{name}" if name[0] in "=+-@\t\r" else name, *values])
    _write_text(path, "".join(line.removesuffix("\r\n") + "\n" for line in lines))


def _write_text(path: Path, text: str) -> None:
    r"""Write UTF-8; bytes of a name that is not UTF-8 are written ``\udc..``."""
    with replace_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def sort_files(paths: Sequence[str], found: Any, out: Path, how: str | None) -> None:
    """Copy or link files into a folder for each cluster; None sorts nothing.

    The folder of all appears when it is complete. One of an earlier run stays: the new
    one has the next free name. Outliers have a folder too; files that were skipped are
    left out.
    """
    if how is None:
        return
    place = shutil.copy2 if how == "copy" else _link
    try:
        # What is left of it is removed: of links, not what they lead to.
        with tempfile.TemporaryDirectory(prefix=".mfavb-", dir=out) as unfinished:
            whole = Path(unfinished, "clusters")
            for path, copy in _places(whole, paths, found):
                place(path, copy)
            target = whole.rename(free_path(out / "clusters"))
    except OSError as error:
        error.add_note(f"All other results are in {out}")
        raise
    print(f"sorted: {target}")


def _places(
    whole: Path, paths: Sequence[str], found: Any
) -> Iterator[tuple[str, Path]]:
    """Make the folders of clusters, and choose a free name for each file in them.

    Capital letters count as small ones: file systems may not tell them apart.
    """
    from tqdm.auto import tqdm

    n_clusters = found.probabilities.shape[1]
    width = len(str(n_clusters - 1))  # zeros in front keep folders in order
    folders = [whole / f"{label:0{width}}" for label in range(n_clusters)]
    for folder in folders:
        folder.mkdir(parents=True)
    taken: set[tuple[int, str]] = set()
    if found.is_outlier.any():
        folders.append(whole / "outliers")  # at the place of their label, -1
        folders[-1].mkdir()
    in_folders = (found.labels >= 0) | found.is_outlier
    pairs = zip(paths, found.labels, in_folders, strict=True)
    members = [(path, label) for path, label, is_in in pairs if is_in]
    for path, label in tqdm(members, desc="sort", unit="file"):
        names = numbered(os.path.basename(path))
        name = next(each for each in names if (label, each.casefold()) not in taken)
        taken.add((label, name.casefold()))
        yield path, folders[label] / name


def _link(path: str, target: Path) -> None:
    """Link a file by its path, or by its content where systems allow no other."""
    try:
        target.symlink_to(path)
    except OSError:
        os.link(path, target)
