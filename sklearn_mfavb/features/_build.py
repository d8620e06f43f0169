"""From the name of an encoder to the encoder, and what tells encoders apart."""

import difflib
import hashlib
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_mfavb.features._encoder import Encoder, Preprocessing
from sklearn_mfavb.features._libraries import LIBRARIES, Library, find_library
from sklearn_mfavb.training import isolated

# Networks are built there, whatever torch's default device is.
CPU = torch.device("cpu")

# Raise it when this package changes what an encoder makes of an image.
FORMAT = 2

HUB_TIMEOUT = 5  # seconds to answer

Pretrained = str | os.PathLike[str] | bool | None


def load_encoder(model: str, pretrained: Pretrained = None) -> Encoder:
    """Build an image encoder with pretrained weights, on the CPU."""
    fingerprint = fingerprint_encoder(model, pretrained)
    name = find_library(model)
    library = LIBRARIES[name]
    with isolated(0, CPU), CPU:
        tag = None if is_file(pretrained) else find_tag(library, model, pretrained)
        described = library.describe(model, tag)
        if tag is None:
            path = os.fspath(pretrained)  # type: ignore[arg-type]
            tower = library.build(**described)
            weights = _of_tower(read_weights(path), tower)
            load_weights(tower, weights, model=model, path=path)
        else:
            tower = download_tower(library, model, tag)
        preprocessing = library.preprocessing(tower, model, tag)
        return Encoder(
            tower, preprocessing, fingerprint, {"library": name, **described}
        )


def find_encoder(
    model: str, pretrained: Pretrained, told: Mapping[str, Any]
) -> Encoder:
    """Build the encoder that a saved model leaves out, by its name or file."""
    try:
        encoder = load_encoder(model, pretrained)
        if fingerprint_weights(encoder.state_dict()) != told["weights"]:
            raise ValueError("These are other weights than those of the fit.")
    except (OSError, ValueError) as error:
        text = (
            f"The encoder {model!r} was left out of the saved model, and is not found "
            f"with pretrained={pretrained!r}: {error} Pass the path of its weights, "
            "estimator.set_params(encoder__pretrained='weights.pt'), or the folder of "
            "a cache of these images, estimator.set_params(encoder__cache_dir='cache')."
        )
        raise (OSError if isinstance(error, OSError) else ValueError)(text) from error
    encoder.preprocessing = Preprocessing(**told["preprocessing"])
    encoder.fingerprint = told["fingerprint"]
    return encoder


def fingerprint_weights(weights: Mapping[str, Tensor]) -> str:
    """Identify weights by names and content, whatever file they came from."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def check_description(told: Mapping[str, Any]) -> None:
    """Raise for what `CLIPFeatures.get_state` does not tell."""
    Preprocessing(**told["preprocessing"])
    if not re.fullmatch("[0-9a-f]{32}", told["fingerprint"]):  # names a cache's folder
        raise ValueError(f"{told['fingerprint']!r} does not describe an encoder.")


def rebuild_encoder(told: Mapping[str, Any]) -> Encoder:
    """Build what `CLIPFeatures.get_state` told of, with random weights; or raise."""
    check_description(told)
    arguments = dict(told["architecture"])
    library = LIBRARIES[arguments.pop("library")]
    preprocessing = Preprocessing(**told["preprocessing"])
    with isolated(0, CPU), CPU:
        return Encoder(
            library.build(**arguments),
            preprocessing,
            told["fingerprint"],
            told["architecture"],
        )


def fingerprint_encoder(model: str, pretrained: Pretrained) -> str:
    """Identify weights, architecture and preprocessing, without building an encoder.

    A file of weights counts with its content; a tag by its name and the versions of the
    libraries, which pin what is downloaded.
    """
    weights: Any = pretrained
    if is_file(pretrained):
        with open(weights, "rb") as file:
            weights = hashlib.file_digest(file, "blake2b").hexdigest()
    versions = [version(name) for name in ("open_clip_torch", "timm")]
    facts = repr([FORMAT, model, weights, *versions])
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


def is_file(pretrained: Any) -> bool:
    """Whether `pretrained` is a path rather than the name of a tag."""
    is_text = isinstance(pretrained, str)
    return os.path.isfile(pretrained) if is_text else hasattr(pretrained, "__fspath__")


def read_weights(path: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or a torch checkpoint, running no code.

    A checkpoint is a dict of tensors, alone or under "state_dict" or "model", with or
    without the prefix "module." of parallel training.
    """
    from timm.models import load_state_dict

    try:
        content = load_state_dict(path, use_ema=False, weights_only=True)
    # The readers raise errors of many kinds for a broken file.
    except Exception as error:
        reason = textwrap.shorten(str(error), 200)
        raise ValueError(
            f"pretrained={path!r} cannot be read as weights (a safetensors file, or a "
            f"dict of tensors written by torch.save): {reason}"
        ) from error
    return {k: value for k, value in content.items() if isinstance(value, Tensor)}


def _of_tower(weights: dict[str, Tensor], tower: Any) -> dict[str, Tensor]:
    """Leave out what belongs to a text tower or a classifier."""
    start = "visual."
    visual = {k[len(start) :]: v for k, v in weights.items() if k.startswith(start)}
    heads = getattr(tower, "pretrained_cfg", {}).get("classifier") or ()
    names = (heads,) if isinstance(heads, str) else heads
    starts, own = tuple(f"{name}." for name in names), tower.state_dict().keys()
    return visual or {
        k: v for k, v in weights.items() if k in own or not k.startswith(starts)
    }


def load_weights(
    module: nn.Module, weights: Mapping[str, Tensor], *, model: str, path: str
) -> None:
    """Load weights that fit exactly; ValueError tells which do not."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"pretrained={path!r} does not hold the weights of model={model!r}. Is it "
            f"the file of another model? {textwrap.shorten(str(error), 600)}"
        ) from error


def download_tower(library: Library, model: str, tag: str) -> nn.Module:
    """Build a tower with the weights of a tag; raise OSError if that fails."""
    with _hub_tried_once() as out_of_reach:
        try:
            return library.download(model, tag)
        # Networks, disks and hubs fail in ways of their own.
        except Exception as error:
            raise OSError(
                f"The weights pretrained={tag!r} of model={model!r} cannot be "
                f"obtained: {out_of_reach or error}\nWithout a connection, pass the "
                "path of a file: pretrained='weights.pt'."
            ) from error


@contextmanager
def _hub_tried_once() -> Iterator[str]:
    """Let a hub that is out of reach be so at once; what is kept here is found.

    Yields why nothing can be downloaded; empty if the hub answers.
    """
    # The libraries themselves would try for 50 s, with a warning for every time.
    from huggingface_hub import constants, get_session

    before, out_of_reach = constants.HF_HUB_OFFLINE, ""
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT)
    # What it raises depends on the version of the hub's library.
    except Exception:
        constants.HF_HUB_OFFLINE = True
        out_of_reach = f"{constants.ENDPOINT} cannot be reached."
    try:
        yield out_of_reach
    finally:
        constants.HF_HUB_OFFLINE = before


def find_tag(library: Library, model: str, pretrained: Any) -> str:
    """Return the tag that is meant, if the library knows it."""
    tags = library.tags(model)
    tag = library.default_tag(model) if pretrained in (True, None) else pretrained
    if tag not in tags:
        similar = difflib.get_close_matches(str(tag), tags, n=5, cutoff=0) or ["none"]
        raise ValueError(
            f"pretrained={pretrained!r} is neither a tag nor the path of a file; "
            f"similar tags of model={model!r}: {', '.join(similar)}."
        )
    return tag
