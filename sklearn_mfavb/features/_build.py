"""From the name of an encoder to the encoder, and what tells encoders apart."""

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_mfavb.features._encoder import Encoder, Preprocessing
from sklearn_mfavb.features._libraries import LIBRARIES, Library, find_library
from sklearn_mfavb.training import isolated

N_LISTED = 5


def read_weights(path: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or a torch checkpoint, running no code.

    A checkpoint is a dict of tensors, alone or under "state_dict" or "model", with or
    without the prefix "module." of parallel training.
    """
    from timm.models import load_state_dict

    if not os.path.isfile(path):
        raise FileNotFoundError(f"pretrained={path!r}: there is no such file.")
    try:
        content = load_state_dict(path, use_ema=False, weights_only=True)
    # The readers raise errors of many kinds for a broken file.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"pretrained={path!r} cannot be read as weights (a safetensors file, or a "
            f"dict of tensors written by torch.save): {reason}"
        ) from error
    return {k: value for k, value in content.items() if isinstance(value, Tensor)}


def load_weights(
    tower: nn.Module, weights: dict[str, Tensor], *, model: str, path: str
) -> None:
    """Load weights that fit exactly; raise ValueError that lists those that do not."""
    expected = tower.state_dict()
    shared = expected.keys() & weights.keys()
    problems = {
        "missing": expected.keys() - shared,
        "unexpected": weights.keys() - shared,
        "of another shape": {
            name for name in shared if expected[name].shape != weights[name].shape
        },
    }
    found = [
        f"{len(names)} {kind} ({', '.join(sorted(names)[:N_LISTED])}"
        f"{', ...' if len(names) > N_LISTED else ''})"
        for kind, names in problems.items()
        if names
    ]
    if found:
        raise ValueError(
            f"pretrained={path!r} does not hold the weights of model={model!r}: "
            f"{'; '.join(found)}. Is it the file of another model?"
        )
    tower.load_state_dict(weights)


# Seconds for the hub to answer before it counts as out of reach.
HUB_TIMEOUT = 10


def download_tower(library: Library, model: str, tag: str) -> nn.Module:
    """Build a tower with the weights of a tag; raise OSError if that fails."""
    failed = f"The weights pretrained={tag!r} of model={model!r} cannot be obtained"
    remedy = "Without a connection, pass the path of a file: pretrained='weights.pt'."
    repository = library.hub_repository(model, tag).partition("@")[0]
    reason = why_out_of_reach(repository) if repository else None
    if reason is not None:
        raise OSError(f"{failed} from {repository} on the hub: {reason}. {remedy}")
    handler = logging.NullHandler()
    try:
        # open_clip's logging gives the root logger a handler, unless it has one: then
        # every warning of other libraries would be printed twice.
        logging.getLogger().addHandler(handler)
        return library.download(model, tag)
    # Networks, disks and hubs fail in ways of their own.
    except Exception as error:
        raise OSError(f"{failed}: {error} {remedy}") from error
    finally:
        logging.getLogger().removeHandler(handler)


def why_out_of_reach(repository: str) -> str | None:
    """Return why a repository is out of reach; None if it is not, or is kept here."""
    # The libraries themselves would try for 47 s, with a warning for every time.
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download
    from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError, OSError):
        snapshot_download(repository, local_files_only=True)
        return None
    try:
        url = hf_hub_url(repository, "config.json")
        get_hf_file_metadata(url, timeout=HUB_TIMEOUT)
        return None
    except EntryNotFoundError:
        return None
    # What a connection that fails raises depends on the version of the hub's library.
    except Exception as error:
        lines = str(error).strip().splitlines()
        return lines[0].rstrip(".") if lines else type(error).__name__


# Raise it when this package changes what an encoder makes of an image.
FORMAT = 1


def fingerprint_encoder(model: str, pretrained: Any) -> str:
    """Identify weights, architecture and preprocessing of an encoder.

    A file of weights counts with its content; a tag by its name and the version of the
    library, which pins what is downloaded. No encoder is built and no library imported.
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


# Networks are built there, whatever torch's default device is.
CPU = torch.device("cpu")

Pretrained = str | os.PathLike[str] | bool | None


def load_encoder(model: str, pretrained: Pretrained = None) -> Encoder:
    """Build an image encoder with pretrained weights, on the CPU."""
    fingerprint = fingerprint_encoder(model, pretrained)
    library = find_library(model)
    with isolated(0, CPU), CPU:
        if is_file(pretrained):
            tag, path = None, os.fspath(pretrained)  # type: ignore[arg-type]
            tower = library.build(library.describe(model, None))
            weights = library.trim(read_weights(path), tower)
            load_weights(tower, weights, model=model, path=path)
        else:
            tag = _check_tag(library, model, pretrained)
            tower = download_tower(library, model, tag)
        return Encoder(
            tower,
            library.preprocessing(tower, model, tag),
            fingerprint=fingerprint,
            architecture=library.describe(model, tag),
        )


def rebuild_encoder(told: Mapping[str, Any]) -> Encoder:
    """Build what `Encoder.describe` returned, with random weights."""
    try:
        architecture = told["architecture"]
        library = LIBRARIES[architecture["library"]]
        # It becomes the name of a folder.
        is_sound = re.fullmatch("[0-9a-f]{32}", told["fingerprint"]) is not None
        preprocessing = Preprocessing.from_dict(told["preprocessing"])
    except (KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise ValueError(f"{told!r} does not describe an encoder.")
    facts = {"fingerprint": told["fingerprint"], "architecture": architecture}
    with isolated(0, CPU), CPU:
        return Encoder(library.build(architecture), preprocessing, **facts)


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
