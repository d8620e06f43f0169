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

# Raise it when this package changes what an encoder makes of an image.
FORMAT = 1


def fingerprint_encoder(model: str, pretrained: Any) -> str:
    """Identify weights, architecture and preprocessing of an encoder.

    A file of weights counts with its content; a tag by its name and the version of the
    library, which pins what is downloaded.
    """
    libraries = ("open_clip_torch", "timm")
    facts = {
        "format": FORMAT,
        "model": model,
        "config": _open_clip_config(model),
        "versions": [importlib.metadata.version(name) for name in libraries],
        "weights": _hash_file(pretrained) if is_file(pretrained) else pretrained,
    }
    content = json.dumps(facts, sort_keys=True).encode()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def is_file(pretrained: Any) -> bool:
    """Whether `pretrained` is a path rather than the name of a tag."""
    is_text = isinstance(pretrained, str)
    return os.path.isfile(pretrained) if is_text else hasattr(pretrained, "__fspath__")


def _hash_file(path: str | os.PathLike[str]) -> str:
    """Hash the content of a file of weights."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        text = f"pretrained={os.fspath(path)!r}: there is no such file."
        raise FileNotFoundError(text) from None
    stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return _hash_content(os.path.realpath(path), stamp)


@lru_cache(maxsize=8)
def _hash_content(path: str, stamp: tuple[int, ...]) -> str:
    """Hash a file, which is large; `stamp` changes when it does."""
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
    folders = (package and package.submodule_search_locations) or []
    path = Path(*folders[:1], "model_configs", f"{model}.json")
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
