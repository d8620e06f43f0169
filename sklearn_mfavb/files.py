"""Files that are replaced as a whole or not at all, and names that are free."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file, which takes the place of `path` when the block ends well.

    Until then it lies beside it, under a name of its own; when the block fails it is
    removed, and what was at `path` stays as it was.

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
    """Yield a name of a file, and the same with -2, -3, ... before its extension."""
    stem, extension = os.path.splitext(name)
    return chain([name], (f"{stem}-{number}{extension}" for number in count(2)))


def free_path(path: Path) -> Path:
    """Return a path, or the first numbered one at which there is nothing."""
    paths = map(path.with_name, numbered(path.name))
    return next(each for each in paths if not os.path.lexists(each))
