"""One zip archive: values as JSON and tensors as safetensors, nothing that runs."""

import json
import os
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
    """A file is no whole model that this version can read."""


def pack(file: BinaryIO, config: dict[str, Any], tensors: Tensors) -> None:
    """Write values for JSON, and tensors on the CPU."""
    about = {"format_version": FORMAT_VERSION, "versions": library_versions()}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_CONFIG, json.dumps({**about, **config}, indent=1))
        archive.writestr(_WEIGHTS, save(tensors))


def unpack(path: str | os.PathLike[str]) -> tuple[bytes, Tensors]:
    """Return the JSON and the tensors that `pack` wrote, or raise ModelFileError."""
    with open(path, "rb") as file:
        is_pickle = file.read(1) == b"\x80"
        try:
            with zipfile.ZipFile(file) as archive:
                # Compressed, a small file could fill the memory.
                if any(item.compress_type for item in archive.infolist()):
                    raise ModelFileError("it is compressed, which `save` never does.")
                # The archive has checksums, which reading compares.
                config, tensors = archive.read(_CONFIG), load(archive.read(_WEIGHTS))
            about = json.loads(config)
            found, _ = about["format_version"], dict(about["versions"])
        except (MemoryError, ModelFileError):
            raise
        # A broken file makes errors of many kinds.
        except Exception as error:
            raise ModelFileError(
                "it is a pickle, as of joblib.dump, and reading one runs the code in it"
                if is_pickle
                else f"it is damaged, cut off or no model that `save` wrote ({error}): "
                "get an undamaged copy."
            ) from error
    if found != FORMAT_VERSION:
        raise ModelFileError(
            f"it has the format version {found}, and this version of sklearn_mfavb "
            f"reads {FORMAT_VERSION}: install the version that wrote it."
        )
    return config, tensors


def library_versions() -> dict[str, str]:
    """List the versions that are installed."""
    return {name: version(name) for name in _LIBRARIES}


def differing_versions(config: bytes) -> str:
    """List in a sentence the libraries that a model was not saved with, if any."""
    now, then = library_versions(), dict(json.loads(config)["versions"])
    others = [name for name in now if then.get(name) != now[name]]
    differing = [f"{name} {then.get(name)} (here {now[name]})" for name in others]
    return f" It was saved with {', '.join(differing)}." if differing else ""
