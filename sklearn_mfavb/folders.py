"""Image files below a folder, and the files there that are none."""

import importlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from PIL import Image

# Formats that Pillow recognizes but needs other software to decode.
IDENTIFIED_ONLY = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

HEIF_EXTENSIONS = (".heic", ".heif", ".hif")
HEIF_ADVICE = "install pillow-heif to read HEIC files"


def list_images(
    folder: str | os.PathLike[str], *, on_error: str = "raise"
) -> tuple[list[str], dict[str, str]]:
    """Find the image files below a folder, and why other files there are ignored.

    Images have an extension that Pillow can decode, with pillow-heif also HEIC, or no
    extension and such content. Hidden files and folders are left out. Linked folders
    are searched too, every real folder once, but not those above `folder`. With
    ``on_error= "skip"``, a subfolder that cannot be opened is ignored.
    """
    root = os.fspath(folder)
    if os.path.isfile(root):
        raise ValueError(
            f"X is the path of one file, {root!r}: pass [path] for one image, or the "
            "path of a folder."
        )
    if not os.path.isdir(root):
        raise FileNotFoundError(f"There is no folder {root!r}.")
    ignored: dict[str, str] = {}

    def leave_out(error: OSError) -> None:
        reason = f"the folder cannot be opened: {error.strerror}"
        if on_error == "raise":
            message = f"{reason}; on_error='skip' leaves it out"
            raise OSError(error.errno, message, error.filename) from error
        ignored[error.filename] = reason

    files = sorted(_visible_files(root, leave_out))
    ignored.update((path, why) for path in files if (why := _why_no_image(path)))
    paths = [path for path in files if path not in ignored]
    if not paths:
        raise ValueError(
            f"There are no image files in the folder {root!r}: files with extensions "
            f"known to Pillow (.png, .jpg, ...) are read. {summarize_ignored(ignored)}"
        )
    return paths, dict(sorted(ignored.items()))


def summarize_ignored(ignored: dict[str, str]) -> str:
    """Summarize in one line what was not looked at; empty if there is nothing."""
    if not ignored:
        return ""
    kinds = Counter(_kind(path) for path in ignored)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    noun = "file was" if len(ignored) == 1 else "files were"
    is_heif = any(kind.lower() in HEIF_EXTENSIONS for kind in kinds)
    advice = f" ({HEIF_ADVICE})" if is_heif else ""
    return f"{len(ignored)} {noun} not looked at: {listed}{advice}."


@cache
def readable_formats() -> dict[str, str]:
    """Return the format of each extension that Pillow can decode."""
    Image.init()
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    decodable = Image.OPEN.keys() - IDENTIFIED_ONLY | {"MPO"}  # MPO opens as JPEG
    extensions = Image.registered_extensions()
    return {end: name for end, name in extensions.items() if name in decodable}


def _visible_files(root: str, on_error: Callable[[OSError], None]) -> Iterator[str]:
    """Yield the visible files below a folder, each real folder's once."""
    seen = set(map(str, Path(root).resolve().parents))
    to_search = deque([root])
    while to_search:
        for folder, subfolders, files in os.walk(to_search.popleft(), onerror=on_error):
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            paths = (os.path.join(folder, name) for name in subfolders)
            # Links last, so that a file is named by its own folder.
            to_search.extend(path for path in paths if os.path.islink(path))
            for name in files:
                if not name.startswith("."):
                    yield os.path.join(folder, name)


def _why_no_image(path: str) -> str | None:
    """Return why a file is not looked at; None if it is an image."""
    formats = readable_formats()
    extension = os.path.splitext(path)[1]
    if extension:
        is_known = extension.lower() in formats
        return None if is_known else f"{extension} is not an extension of images"
    # TGA files have no mark: other files would be taken for one.
    names = sorted(set(formats.values()) - {"TGA", "MPO"})
    # Pillow's readers raise errors of any kind for files that are no images.
    with suppress(Exception):
        if os.path.isfile(path):  # a pipe would be waited for
            Image.open(path, formats=names).close()
            return None
    return "it has no extension and is not an image"


def _kind(path: str) -> str:
    """Return the extension of a file, or what to call it without one."""
    if os.path.isdir(path):
        return "unreadable folder"
    return os.path.splitext(path)[1] or "without an extension"
