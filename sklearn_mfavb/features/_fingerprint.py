"""What tells encoders apart, found without building one or importing its library."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from sklearn_mfavb.files import replace_file

# Raise it when this package changes what an encoder makes of an image.
FORMAT = 1

LIBRARIES = ("open_clip_torch", "timm")


def fingerprint_encoder(model: str, pretrained: Any, memo: Path | None = None) -> str:
    """Identify weights, architecture and preprocessing of an encoder.

    Parameters
    ----------
    model : str
        Name of an encoder.
    pretrained : str, path-like, True or None
        Its weights. A file counts with its content, a tag by its name and the version
        of the library, which pins what is downloaded.
    memo : pathlib.Path, default=None
        Folder that remembers the hashes of files, by place, size and time of change.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    facts = {
        "format": FORMAT,
        "model": model,
        "config": _open_clip_config(model),
        "versions": [
            importlib.metadata.version(x) for x in ("open_clip_torch", "timm")
        ],
        "weights": hash_weights(pretrained, memo)
        if is_file(pretrained)
        else pretrained,
    }
    return _digest(json.dumps(facts, sort_keys=True).encode())


def is_file(pretrained: Any) -> bool:
    """Whether `pretrained` is a path rather than the name of a tag."""
    if isinstance(pretrained, os.PathLike):
        return True
    return isinstance(pretrained, str) and os.path.isfile(pretrained)


def hash_weights(path: str | os.PathLike[str], memo: Path | None) -> str:
    """Hash the content of a large file, or remember the hash of an unchanged one."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"pretrained={os.fspath(path)!r}: there is no such file."
        ) from error
    place = os.path.realpath(path)
    stamp = f"{place} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    if memo is None:
        return _hash_content(place, stamp)
    remembered = memo / f"weights-{_digest(stamp.encode())}"
    if remembered.exists():
        return remembered.read_text("utf-8")
    content = _hash_content(place, stamp)
    with replace_file(remembered) as file:
        file.write(content.encode())
    return content


@lru_cache(maxsize=8)
def _hash_content(path: str, stamp: str) -> str:
    """Hash a file; `stamp` changes when it does."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _open_clip_config(model: str) -> dict[str, Any] | None:
    """Return the architecture that open_clip has under a name; None if it has none."""
    if "open_clip" in sys.modules:
        open_clip = sys.modules["open_clip"]
        # Asked for other names, open_clip may look for them on the network.
        is_known = model in open_clip.list_models()
        return open_clip.get_model_config(model) if is_known else None
    package = importlib.util.find_spec("open_clip")
    folders = package.submodule_search_locations if package else None
    if not folders:
        return None
    path = Path(folders[0], "model_configs", f"{model}.json")
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _digest(content: bytes) -> str:
    """Return a short hash."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
