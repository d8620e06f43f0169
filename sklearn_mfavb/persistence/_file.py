"""One safetensors file: tensors, a JSON document, and a checksum over both."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from sklearn_mfavb.persistence._annotations import fits

FORMAT = "sklearn_mfavb"
# Raise it when a file can no longer be read by what reads this one.
FORMAT_VERSION = 1

Tensors = dict[str, Tensor]

# By their first bytes; what else people keep models in.
_OTHER_FILES = {
    b"\x80": "a pickle, as of joblib.dump, and reading one runs the code in it",
    b"PK": "a zip archive, as of torch.save",
}


class ModelFileError(ValueError):
    """A file is no whole model that this version can read."""


def pack(document: dict[str, Any], tensors: Tensors) -> bytes:
    """Make the content of a file.

    Parameters
    ----------
    document : dict
        Of the types of JSON. At most 100 MB of text, which is safetensors' limit.
    tensors : dict of str to torch.Tensor
        On the CPU, contiguous, of memory of their own.

    Returns
    -------
    bytes
    """
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "document": json.dumps(document, sort_keys=True),
    }
    return save(tensors, {**metadata, "sha256": _checksum(metadata, tensors)})


def unpack(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """Read a file that `pack` made the content of, and check that it is whole.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    document : dict
        Of the types of JSON.
    tensors : dict of str to torch.Tensor
        On the CPU.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ModelFileError
        If it is something else, cut off, altered, or of a newer format.
    """
    # Of bytes, not of a path: the library opens no file whose name is no UTF-8, and
    # maps it, so that a file that shrinks meanwhile would end the process.
    content = Path(path).read_bytes()
    try:
        metadata = _read_metadata(content)
        _check_format(metadata)
        tensors = load(content)
        _check_content(metadata, tensors)
        document = json.loads(metadata["document"])
    except (MemoryError, ModelFileError):
        raise
    # A broken file makes errors of many kinds.
    except Exception as error:
        raise ModelFileError(f"it is {_describe(content)}.") from error
    if not fits(document, dict[str, Any]) or not fits(
        document.get("versions"), dict[str, str]
    ):
        raise ModelFileError("its document is not that of a model.")
    return document, tensors


def _check_format(metadata: dict[str, str]) -> None:
    """Raise for safetensors files of others, and of versions to come."""
    if metadata.get("format") != FORMAT:
        raise ModelFileError(
            "it is a safetensors file, but not of a model that `save` wrote: its "
            f"metadata give the format {metadata.get('format')!r}, not {FORMAT!r}."
        )
    version = int(metadata["format_version"])
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"it has the format version {version}, and this version of sklearn_mfavb "
            f"reads versions up to {FORMAT_VERSION}: install a newer one."
        )


def _check_content(metadata: dict[str, str], tensors: Tensors) -> None:
    """Raise for a file that is not what was written."""
    if metadata.pop("sha256", None) != _checksum(metadata, tensors):
        raise ModelFileError(
            "its checksum is not that of its content: it was altered or damaged after "
            "it was saved. Get an undamaged copy."
        )


def _read_metadata(content: bytes) -> dict[str, str]:
    """Read the strings in the header: eight bytes of length, then JSON."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]).get("__metadata__") or {}


def _describe(content: bytes) -> str:
    """Say what a file is that safetensors does not read."""
    if not content:
        return "empty"
    for beginning, kind in _OTHER_FILES.items():
        if content.startswith(beginning):
            return f"{kind}; `save` writes safetensors files"
    if content[8:9] == b"{":
        return "cut off or damaged: get an undamaged copy"
    return "no safetensors file, which `save` writes"


def _checksum(metadata: dict[str, str], tensors: Tensors) -> str:
    """Hash all that a file says: metadata, and names, types, shapes and values."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        told = [name, str(tensor.dtype), list(tensor.shape)]
        digest.update(json.dumps(told).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
