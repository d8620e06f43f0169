"""One zip archive: values as JSON and tensors as safetensors, nothing that runs."""

import json
import zipfile
from importlib.metadata import version
from typing import Any, BinaryIO

from safetensors.torch import load, save
from torch import Tensor

# Raise it when a file can no longer be read by what reads this one.
FORMAT_VERSION = 1
_CONFIG, _WEIGHTS = "config.json", "weights.safetensors"
_LIBRARIES = ("sklearn-mfavb", "torch", "timm", "open_clip_torch", "scikit-learn")

Tensors = dict[str, Tensor]


class ModelFileError(ValueError):
    """A file is not a complete model that this version can read."""


def pack(file: BinaryIO, config: dict[str, Any], tensors: Tensors) -> None:
    """Write values for JSON, and tensors on the CPU."""
    about = {"format_version": FORMAT_VERSION, "versions": library_versions()}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_CONFIG, json.dumps({**about, **config}, indent=1))
        archive.writestr(_WEIGHTS, save(tensors))


def unpack(file: BinaryIO) -> tuple[bytes, Tensors]:
    """Return the JSON and the tensors that `pack` wrote; errors are of many kinds."""
    with zipfile.ZipFile(file) as archive:
        # Compressed, a small file could fill the memory.
        if any(item.compress_type for item in archive.infolist()):
            raise ModelFileError("it is compressed, which `save` never does.")
        # The archive has checksums, which reading compares.
        config, tensors = archive.read(_CONFIG), load(archive.read(_WEIGHTS))
    found = json.loads(config)["format_version"]
    if found != FORMAT_VERSION:
        raise ModelFileError(
            f"it has the format version {found}, and this version of sklearn_mfavb "
            f"reads {FORMAT_VERSION}: install the version that wrote it."
        )
    return config, tensors


def library_versions() -> dict[str, str]:
    """List the versions that are installed."""
    return {name: version(name) for name in _LIBRARIES}
