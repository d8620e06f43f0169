"""One folder for each cluster, with copies of its files or links to them."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from numpy.typing import NDArray
from tqdm.auto import tqdm

from sklearn_mfavb.command_line._telling import say
from sklearn_mfavb.files import free_path, numbered


def sort_files(
    paths: Sequence[str], labels: NDArray, *, n_clusters: int, out: Path, how: str
) -> Path:
    """Make a folder with a folder for each cluster; nothing else is touched.

    It appears when it is complete. One of an earlier run stays: the new one has the
    next free name.

    Parameters
    ----------
    paths : sequence of str of length n_samples
        Absolute paths of the files.
    labels : ndarray of int of shape (n_samples,)
        Their clusters; those below 0 are left out.
    n_clusters : int
        Number of folders.
    out : pathlib.Path
        Where the folder is made.
    how : {"copy", "link"}
        Copies, or links to the files.

    Returns
    -------
    pathlib.Path
        ``clusters``, or ``clusters-2`` and so on.

    Raises
    ------
    OSError
        If something cannot be written.
    """
    place: Callable[..., object] = shutil.copy2 if how == "copy" else _link
    unfinished = out / f".mfavb-{os.urandom(8).hex()}.tmp"
    try:
        folders = _make_folders(unfinished, n_clusters)
        taken: list[set[str]] = [set() for _ in folders]
        members = [pair for pair in zip(paths, labels, strict=True) if pair[1] >= 0]
        for path, label in tqdm(members, desc="sort", unit="file"):
            name = _free_name(os.path.basename(path), taken[label])
            _place_if_there(place, path, folders[label] / name)
        target = free_path(out / "clusters")
        unfinished.rename(target)
    except BaseException:
        # Of links, this removes the links, not what they lead to.
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def _make_folders(parent: Path, n_clusters: int) -> list[Path]:
    """Make a folder for each cluster; zeros in front keep them in order."""
    parent.mkdir()
    width = len(str(n_clusters - 1))
    folders = [parent / f"{label:0{width}}" for label in range(n_clusters)]
    for folder in folders:
        folder.mkdir()
    return folders


def _place_if_there(place: Callable[..., object], path: str, target: Path) -> None:
    """Copy or link a file, unless it has vanished since it was read."""
    try:
        place(path, target)
    except FileNotFoundError:
        if os.path.exists(path):
            raise
        say(f"{path!r} is no longer there, and was not sorted.")


def _link(path: str, target: Path) -> None:
    """Link a file by its path, or by its content where systems allow no other."""
    try:
        target.symlink_to(path)
    except OSError:
        os.link(path, target)


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name, numbered if it is taken; capital letters count as small ones."""
    free = next(each for each in numbered(name) if each.casefold() not in taken)
    taken.add(free.casefold())
    return free
