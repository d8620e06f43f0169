"""From the name of an encoder to the encoder."""

import os
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from sklearn_mfavb.features._architecture import Architecture
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._fingerprint import fingerprint_encoder, is_file
from sklearn_mfavb.features._libraries import Library, OpenCLIP, Timm, find_library
from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.features._weights import load_weights, read_weights
from sklearn_mfavb.training import local_seed

Pretrained = str | os.PathLike[str] | bool | None
_LIBRARIES: dict[str, type[Library]] = {"open_clip": OpenCLIP, "timm": Timm}


def load_encoder(model: str, pretrained: Pretrained = None) -> Encoder:
    """Build an image encoder with pretrained weights.

    The encoder that was built last is kept in memory and returned again, on the device
    it was moved to; it is frozen, so that it can be shared.

    Parameters
    ----------
    model : str
        Name of a model of open_clip or else of timm, as ``open_clip.list_models()`` and
        ``timm.list_models()`` have it.
    pretrained : str, path-like, True or None, default=None
        Which weights: a tag of the model, or the path of a file with all weights of the
        model or with those of the image tower, in safetensors or torch format. For
        models of timm, None and True stand for the tag in the name or timm's default.

    Returns
    -------
    encoder : Encoder
        The image tower alone, with its own preprocessing.

    Raises
    ------
    ValueError
        If the model or the tag is unknown, or the file holds other weights.
    FileNotFoundError
        If there is no such file.
    RuntimeError
        If the weights of a tag cannot be downloaded.
    """
    if isinstance(pretrained, os.PathLike):
        pretrained = os.fspath(pretrained)
        if not os.path.isfile(pretrained):
            raise FileNotFoundError(
                f"pretrained={pretrained!r}: there is no such file."
            )
    return _load(model, pretrained, fingerprint_encoder(model, pretrained))


@lru_cache(maxsize=1)
def _load(model: str, pretrained: Any, fingerprint: str) -> Encoder:
    """Build an encoder, or return the last one if it is the same."""
    library = find_library(model)
    # Networks draw weights when they are built, though others replace them.
    with local_seed(0, torch.device("cpu")):
        tower, preprocessing, architecture = _build_tower(library, model, pretrained)
    return Encoder(
        tower, preprocessing, fingerprint=fingerprint, architecture=architecture
    )


def rebuild_encoder(
    architecture: Architecture, preprocessing: Preprocessing, fingerprint: str
) -> Encoder:
    """Build an encoder with random weights; no file is read, nothing downloaded.

    Parameters
    ----------
    architecture : Architecture
        That of an encoder of `load_encoder`.
    preprocessing : Preprocessing
        What it expects of images.
    fingerprint : str
        Its fingerprint.

    Returns
    -------
    Encoder
        Its weights are still to be replaced by those the fingerprint stands for.

    Raises
    ------
    ValueError
        If the library that is installed does not have the model.
    """
    tower = _LIBRARIES[architecture.library]().rebuild(architecture)
    return Encoder(
        tower, preprocessing, fingerprint=fingerprint, architecture=architecture
    )


def _build_tower(
    library: Library, model: str, pretrained: Any
) -> tuple[nn.Module, Preprocessing, Architecture]:
    """Build an image tower with the weights of a file or a tag."""
    if is_file(pretrained):
        tower, preprocessing = library.build(model)
        weights = library.trim(read_weights(pretrained), tower)
        load_weights(tower, weights, model=model, path=pretrained)
        return tower, preprocessing, library.describe(model, None)
    tag = _check_tag(library, model, pretrained)
    try:
        tower, preprocessing = library.download(model, tag)
    # Networks, disks and hubs fail in ways of their own.
    except Exception as error:
        raise RuntimeError(
            f"The weights pretrained={tag!r} of model={model!r} could not be obtained: "
            f"{error} Without a connection, pass the path of a file."
        ) from error
    return tower, preprocessing, library.describe(model, tag)


def _check_tag(library: Library, model: str, pretrained: Any) -> str:
    """Return the tag that is meant, if the library knows it."""
    tags = library.tags(model)
    known = f"known tags of model={model!r}: {', '.join(tags) if tags else 'none'}"
    if pretrained in (True, None):
        tag = library.default_tag(model)
        if tag is None:
            raise ValueError(
                f"pretrained={pretrained!r} does not say which weights; {known}."
            )
        return tag
    if pretrained in tags:
        return pretrained
    is_path = os.sep in str(pretrained) or os.path.splitext(str(pretrained))[1] != ""
    raise (FileNotFoundError if is_path else ValueError)(
        f"pretrained={pretrained!r} is neither a tag nor the path of a file; {known}."
    )
