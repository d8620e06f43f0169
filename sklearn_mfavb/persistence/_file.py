"""One safetensors file: tensors, a JSON document, and a checksum over both."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

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
    """Make the content of a file, from values for JSON and tensors on the CPU."""
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "document": json.dumps(document, sort_keys=True),
    }
    return save(tensors, {**metadata, "sha256": _checksum(metadata, tensors)})


def unpack(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """Read what `pack` made, or raise ModelFileError if it is not whole."""
    # Of bytes, not of a path: the library opens no file whose name is no UTF-8, and
    # maps it, so that a file that shrinks meanwhile would end the process.
    content = Path(path).read_bytes()
    try:
        end = 8 + int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8:end]).get("__metadata__") or {}
        _check_format(metadata)
        tensors = load(content)
        if metadata.pop("sha256", None) != _checksum(metadata, tensors):
            raise ModelFileError(
                "its checksum is not that of its content: it was altered or damaged "
                "after it was saved. Get an undamaged copy."
            )
        return dict(json.loads(metadata["document"])), tensors
    except (MemoryError, ModelFileError):
        raise
    # A broken file makes errors of many kinds.
    except Exception as error:
        raise ModelFileError(f"it is {_describe(content)}.") from error


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


def _describe(content: bytes) -> str:
    """Describe a file that safetensors does not read."""
    if not content:
        return "empty"
    for beginning, kind in _OTHER_FILES.items():
        if content.startswith(beginning):
            return f"{kind}; `save` writes safetensors files"
    if content[8:9] == b"{":
        return "cut off or damaged: get an undamaged copy"
    return "no safetensors file, which `save` writes"


def _checksum(metadata: dict[str, str], tensors: Tensors) -> str:
    """Hash metadata, and the names, types, shapes and values of all tensors."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        told = [name, str(tensor.dtype), list(tensor.shape)]
        digest.update(json.dumps(told).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
