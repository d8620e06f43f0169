"""What tells one training from another: parameters and images."""

import hashlib
import re
from collections.abc import Mapping
from functools import partial, singledispatch
from types import FunctionType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_mfavb.images import ImageDataset

# Parameters that training gives the same result without.
_BESIDES_TRAINING = {"callbacks", "checkpoint", "device", "on_error", "verbose"}
# Parameters of CLIPFeatures that the same features come without.
_BESIDES_FEATURES = {"batch_size", "cache_dir", "device", "on_error", "verbose"}
_SAMPLE = 256  # images that are looked at, pixel by pixel


def describe_training(
    estimator: BaseEstimator, dataset: ImageDataset
) -> dict[str, str]:
    """Describe a training, so that a checkpoint of another one is known for what it is.

    Parameters
    ----------
    estimator : BaseEstimator
        Before its fit.
    dataset : ImageDataset
        The images, with their features.

    Returns
    -------
    dict of str to str
        Parameters by name, the class, and a fingerprint of the images: their files,
        their features and the pixels of 256 of them, spread evenly.
    """
    parameters = estimator.get_params(deep=False)
    return {
        "class": type(estimator).__name__,
        **{
            name: describe(value)
            for name, value in parameters.items()
            if name not in _BESIDES_TRAINING
        },
        "images": f"{len(dataset)} with the fingerprint {_fingerprint(dataset)}",
    }


@singledispatch
def describe(value: Any) -> str:
    """Write a value so that equal ones have equal texts, and others hardly ever.

    Parameters
    ----------
    value : object
        Of objects whose text is their address, attributes are written; of networks
        the layers, not the weights, for those are kept.

    Returns
    -------
    str
    """
    text = repr(value)
    nameless = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    if text == nameless or isinstance(value, FunctionType | type | nn.Module):
        return nameless
    try:
        return f"{type(value).__qualname__}({describe(vars(value))})"
    except (TypeError, RecursionError):  # no attributes, or ones that lead back to it
        return nameless


@describe.register
def _(value: BaseEstimator) -> str:
    parameters = value.get_params(deep=False)
    kept = {
        name: part for name, part in parameters.items() if name not in _BESIDES_FEATURES
    }
    return f"{type(value).__name__}({describe(kept)})"


@describe.register
def _(value: Mapping) -> str:
    return ", ".join(f"{name}={describe(part)}" for name, part in value.items())


@describe.register(list)
@describe.register(tuple)
def _(value: list | tuple) -> str:
    return f"({', '.join(map(describe, value))})"


@describe.register
def _(value: partial) -> str:
    return f"partial({describe([value.func, value.args, value.keywords])})"


@describe.register
def _(value: np.generic) -> str:
    return describe(value.item())


@describe.register
def _(value: np.ndarray) -> str:
    digest = hashlib.sha256(value.tobytes()).hexdigest()[:16]
    return f"{value.dtype} of shape {value.shape} with the fingerprint {digest}"


@describe.register
def _(value: Tensor) -> str:
    return describe(value.detach().cpu().numpy())


def _fingerprint(dataset: ImageDataset) -> str:
    """Digest what the images are."""
    digest = hashlib.sha256()
    digest.update(
        "\n".join(dataset.source.paths or ()).encode(errors="surrogateescape")
    )
    spread = np.linspace(0, len(dataset) - 1, min(_SAMPLE, len(dataset)))
    sample = dataset.indices[spread.astype(np.int64)]
    digest.update(dataset.source.read(sample, dataset.size).numpy().tobytes())
    if dataset.features is not None:
        digest.update(dataset.features.numpy().tobytes())
    return digest.hexdigest()[:16]
