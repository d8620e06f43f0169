"""Files that are replaced as a whole or not at all, and names that are free."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

_LONGEST_NAME = 255  # bytes, of ext4, APFS and NTFS


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file, which takes the place of `path` when the block ends well.

    Until then it has another name in the same folder. If the block fails it is removed,
    and what was at `path` stays as it was.

    Parameters
    ----------
    path : str or path-like
        The file to write. Of a link, the file that it points to.

    Yields
    ------
    file : binary file
        To write to; its ``name`` is where it lies.

    Raises
    ------
    OSError
        That names `path`, if it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".mfavb-{os.urandom(8).hex()}.tmp")
    try:
        if target.is_dir():
            reason = "it is a folder, and should be the name of a file"
            raise IsADirectoryError(errno.EISDIR, reason)
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        reason = f"nothing was saved, and nothing replaced: {error.strerror or error}"
        raise OSError(error.errno, reason, os.fspath(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def numbered(name: str) -> Iterator[str]:
    """Yield a name of a file, and the same with numbers before its extension.

    Parameters
    ----------
    name : str
        Without a folder.

    Returns
    -------
    iterator of str
        Without an end; none is longer than a file system takes.

    Examples
    --------
    >>> from itertools import islice
    >>> from sklearn_mfavb.files import numbered
    >>> list(islice(numbered("clusters.png"), 3))
    ['clusters.png', 'clusters-2.png', 'clusters-3.png']
    """
    stem, extension = os.path.splitext(name)
    return chain([name], (_add(stem, f"-{number}{extension}") for number in count(2)))


def _add(stem: str, ending: str) -> str:
    """Lengthen a name, cut off where it would be longer than file systems take."""
    n_kept = _LONGEST_NAME - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > n_kept:
        stem = os.fsencode(stem)[:n_kept].decode("utf-8", "ignore")
    return stem + ending


def free_path(path: Path) -> Path:
    """Find a name at which there is nothing.

    Parameters
    ----------
    path : pathlib.Path
        The name wanted.

    Returns
    -------
    pathlib.Path
        The first of `numbered` that is free, in the same folder.
    """
    paths = map(path.with_name, numbered(path.name))
    return next(each for each in paths if not os.path.lexists(each))
