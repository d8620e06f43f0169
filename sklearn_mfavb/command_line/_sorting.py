"""Images in a folder for each cluster, and the command `undo`."""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from sklearn_mfavb.command_line._options import PATH, PROGRAM, count, say, say_of_files
from sklearn_mfavb.files import free_path, numbered, replace_file

LOG = "moves.jsonl"


def sort_files(
    paths: Sequence[str], names: Sequence[str], found: Any, out: Path, how: str | None
) -> None:
    """Copy, link or move files into a folder for each cluster; None sorts nothing.

    `names` are those of the clusters. A folder of an earlier run stays: the new one has
    the next free name. Outliers have a folder too; files that were skipped are left
    out.
    """
    if how is None:
        return
    target = free_path(out / "clusters")
    try:
        if how == "move":
            _move_all(paths, names, found, target)
        else:
            place = shutil.copy2 if how == "copy" else _link
            # The folder of all appears when it is complete. What is left of it is
            # removed: of links, not what they lead to.
            with tempfile.TemporaryDirectory(prefix=".mfavb-", dir=out) as unfinished:
                whole = Path(unfinished, "clusters")
                for path, copy in _bar(list(_places(whole, paths, names, found))):
                    place(path, copy)
                whole.rename(target)
    except OSError as error:
        error.add_note(f"All other results are in {out}")
        raise
    print(f"sorted: {target}")


def _move_all(
    paths: Sequence[str], names: Sequence[str], found: Any, target: Path
) -> None:
    """Move files, after a log of all moves is on the disk."""
    places = list(_places(target, paths, names, found))
    log = target / LOG
    with replace_file(log) as file:
        for path, copy in places:
            told = {"from": path, "to": copy.relative_to(target).as_posix()}
            file.write(json.dumps(told).encode() + b"\n")  # ASCII, whatever the name
    advice = f"Move the images back with:\n  {PROGRAM} undo {log}"
    failed = {}
    try:
        for path, copy in _bar(places):
            try:
                if os.path.islink(path):  # it may lead nowhere from elsewhere
                    raise OSError(errno.EPERM, "it is a link and stays where it is")
                _move(path, copy)
            except OSError as error:
                failed[path] = error.strerror or str(error)
    except BaseException as error:
        error.add_note(advice)
        raise
    say_of_files("could not be moved", failed)
    say(advice)


def _move(path: str | Path, target: str | Path) -> None:
    """Move a file to where there is nothing, or raise OSError and leave it."""
    try:
        os.link(path, target)  # refuses what is there
    except OSError:
        if os.path.lexists(target) or not os.path.lexists(path):
            raise
        _copy_whole(path, target)  # another disk, or one without links
    try:
        os.unlink(path)
    except OSError:
        os.unlink(target)
        raise


def _copy_whole(path: str | Path, target: str | Path) -> None:
    """Copy a file to where there is nothing; what fails leaves nothing there."""
    with open(path, "rb") as source, open(target, "xb") as copy:
        try:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
            shutil.copystat(path, target)
        except BaseException:
            os.unlink(target)
            raise


@click.command(epilog="Example: sklearn-mfavb undo clusters/clusters/moves.jsonl")
@click.argument("log", type=PATH)
def undo(log: Path) -> int:
    """Move images back that --sort move has moved.

    LOG is the moves.jsonl in the folder of the clusters, or that folder. A file that is
    at the old place now is never replaced; the log stays until all images are back, so
    that the command may be repeated.
    """
    log = log / LOG if log.is_dir() else log
    if not log.exists():
        raise FileNotFoundError(f"There is no log of moves {str(log)!r}.")
    moves = _read_log(log)
    failed, n_back = {}, 0
    for path, copy in _bar(moves):
        if os.path.lexists(path) and not os.path.lexists(copy):
            continue  # it is back, or was never moved
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if _is_second_name(path, copy):
                os.unlink(copy)  # a move was cut off between its two steps
            else:
                _move(copy, path)
            n_back += 1
        except OSError as error:
            why = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                why = "it is gone"
            elif os.path.lexists(path):
                why = "another file is at its old place"
            failed[os.fspath(copy)] = why
    for folder in filter(Path.is_dir, list(log.parent.iterdir())):
        with suppress(OSError):  # it holds other files
            folder.rmdir()
    print(f"moved back: {count(n_back, 'file')}")
    say_of_files("could not be moved", failed)
    if not failed:
        log.unlink()
        with suppress(OSError):
            log.parent.rmdir()
    return int(bool(failed))


def _is_second_name(path: str, copy: Path) -> bool:
    """Whether a file has two names: not a link to it, which it would not outlive."""
    is_same = os.path.exists(path) and os.path.samefile(path, copy)
    return is_same and os.path.realpath(path) != os.path.realpath(copy)


def _read_log(log: Path) -> list[tuple[str, Path]]:
    """Read the moves of a log, the last one first."""
    try:
        lines = map(json.loads, log.read_text("utf-8").splitlines())
        moves = [(str(told["from"]), log.parent / told["to"]) for told in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{log} is not a log that --sort move has written.") from error
    return moves[::-1]


def moved_files(out: Path) -> dict[str, str]:
    """Return where the files are that --sort move of earlier runs has moved."""
    logs = sorted(out.glob(f"clusters*/{LOG}"))
    moves = [each for log in logs for each in _read_log(log)]
    return {path: os.path.abspath(copy) for path, copy in moves if copy.exists()}


def _bar(pairs: list[tuple[Any, Any]]) -> Any:
    """Show a bar over files."""
    from tqdm.auto import tqdm

    return tqdm(pairs, desc="sorting", unit="file")


def _places(
    whole: Path, paths: Sequence[str], names: Sequence[str], found: Any
) -> Iterator[tuple[str, Path]]:
    """Make the folders of clusters, and choose a free name for each file in them.

    Capital letters count as small ones: file systems may not tell them apart.
    """
    folders = [whole / name for name in folder_names(names)]
    if found.is_outlier.any():
        folders.append(whole / "outliers")  # at the place of their label, -1
    for folder in folders:
        folder.mkdir(parents=True)
    taken: set[tuple[int, str]] = set()
    choices_of: dict[tuple[int, str], Iterator[str]] = {}  # none is tried again
    in_folders = (found.labels >= 0) | found.is_outlier
    for path, label, is_in in zip(paths, found.labels, in_folders, strict=True):
        if is_in:
            wanted = os.path.basename(path)
            choices = choices_of.setdefault((label, wanted), numbered(wanted))
            name = next(
                each for each in choices if (label, each.casefold()) not in taken
            )
            taken.add((label, name.casefold()))
            yield path, folders[label] / name


def folder_names(names: Sequence[str]) -> list[str]:
    """Name folders by number, in order of it, and by the cluster's name if it has one.

    Signs that some file system refuses become _.
    """
    width = len(str(len(names) - 1))  # zeros in front keep folders in order
    folders = []
    for label, name in enumerate(names):
        safe = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]', "_", name)[:60].strip(". ")
        has_name = safe and name != f"cluster {label}"
        folders.append(f"{label:0{width}} {safe}" if has_name else f"{label:0{width}}")
    return folders


def _link(path: str, target: Path) -> None:
    """Link a file by its path, or by its content where systems allow no other."""
    os.stat(path)  # a link to nothing would be made too
    try:
        target.symlink_to(path)
    except OSError:
        os.link(path, target)
