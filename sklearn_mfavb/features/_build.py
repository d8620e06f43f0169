"""From the name of an encoder to the encoder."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from sklearn_mfavb.features._download import download_tower
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._fingerprint import fingerprint_encoder, is_file
from sklearn_mfavb.features._libraries import LIBRARIES, Library, find_library
from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.features._weights import load_weights, read_weights

Pretrained = str | os.PathLike[str] | bool | None


def load_encoder(model: str, pretrained: Pretrained = None) -> Encoder:
    """Build an image encoder with pretrained weights, on the CPU.

    `model` and `pretrained` are those of `CLIPFeatures`.
    """
    fingerprint = fingerprint_encoder(model, pretrained)
    library = find_library(model)
    with _usual_torch():
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
    """Build what `Encoder.describe` returned, with random weights.

    No file is read and nothing downloaded; ValueError is raised if this is no
    description, or if the installed library does not have the model.
    """
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
    with _usual_torch():
        tower = library.build(architecture)
        fingerprint = told["fingerprint"]
        return Encoder(
            tower, preprocessing, fingerprint=fingerprint, architecture=architecture
        )


@contextmanager
def _usual_torch() -> Iterator[None]:
    """Build networks as torch does by default, whatever the user changed.

    Networks draw weights when they are built, though others replace them: the state of
    the CPU's generator is put back, and no other generator is used.
    """
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        # In inference mode, weights would be tensors that cannot be loaded into.
        no_inference = torch.inference_mode(False)
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), no_inference:
            yield
    finally:
        torch.set_default_dtype(dtype)


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
