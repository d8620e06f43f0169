"""Parameters and learned values as JSON and tensors, and back, type for type."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from sklearn_mfavb.backbones import ViT
from sklearn_mfavb.estimators import Augmentation
from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.images import Reading
from sklearn_mfavb.objectives import ContrastiveTerms
from sklearn_mfavb.persistence._file import ModelFileError, Tensors
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Training

# The objects that a parameter may be.
_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Augmentation,
        BayesianGaussianMixture,
        CLIPFeatures,
        ContrastiveTerms,
        GaussianMixture,
        KMeans,
        MiniBatchKMeans,
        Neighbors,
        Reading,
        Training,
        ViT,
    )
}
# A file of someone else's must not say where this machine writes.
_PLACES = {"cache_dir", "checkpoint"}
# Parameters that no prediction depends on: without them a model is still whole.
_FOR_TRAINING = {
    "augmentation",
    "augmentation__features",
    "augmentation__images",
    "random_state",
    "training__callbacks",
}


class _Kind(NamedTuple):
    """How a type that JSON does not have is written, and made again."""

    type: Any
    take_apart: Callable[[Any], Any]
    put_together: Callable[[Any], Any]


_KINDS = {
    "$tuple": _Kind(tuple, list, tuple),
    "$dict": _Kind(dict, lambda value: [list(pair) for pair in value.items()], dict),
    "$float": _Kind(float, str, float),
    "$path": _Kind(os.PathLike, os.fspath, Path),
    "$device": _Kind(torch.device, str, torch.device),
}


def refusal(name: str, value: Any) -> TypeError:
    """Make the error for a value that is no data."""
    return TypeError(
        f"{name}={value!r} cannot be saved without pickle: it is no plain value, but a "
        f"{type(value).__name__}. joblib.dump saves any object."
    )


@dataclass
class Writer:
    """Writes values with the types of JSON, and arrays into tensors.

    What JSON does not have becomes an object with one name: ``{"$tuple": [8, 8]}``.
    `dropped` are the names of parameters that were left out.
    """

    tensors: Tensors = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def write(self, value: Any, name: str) -> Any:
        """Write a value; TypeError names one that cannot be."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, str | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, list):
            return [self.write(item, f"{name}.{i}") for i, item in enumerate(value)]
        if isinstance(value, dict) and all(map(_is_plain_key, value)):
            return {
                key: self.write(item, f"{name}.{key}") for key, item in value.items()
            }
        if isinstance(value, np.ndarray):
            return self._write_array(value, name)
        if type(value) is _CLASSES.get(type(value).__name__):
            params = self.write_params(value.get_params(deep=False), f"{name}__")
            return {"$object": [type(value).__name__, params]}
        for tag, kind in _KINDS.items():
            if isinstance(value, kind.type):
                return {tag: self.write(kind.take_apart(value), name)}
        raise refusal(name, value)

    def write_params(self, params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        """Write parameters, without places and code that only training needs."""
        written = {}
        for key, value in params.items():
            name = prefix + key
            try:
                if key not in _PLACES:
                    written[key] = self.write(value, name)
                elif value is not None:
                    self.dropped.append(name)
            except TypeError:
                if name not in _FOR_TRAINING and key != "random_state":
                    raise
                self.dropped.append(name)
        return written

    def write_state(self, state: dict[str, Any], prefix: str) -> None:
        """Take a state to the CPU, each tensor with memory of its own."""
        for name, value in state.items():
            if not isinstance(value, torch.Tensor):
                raise refusal(prefix + name, value)
            self.tensors[prefix + name] = value.detach().cpu().clone().contiguous()

    def _write_array(self, value: np.ndarray, name: str) -> Any:
        """Write an array of numbers as a tensor, and one of names as a list."""
        if value.dtype == object and all(isinstance(item, str) for item in value.flat):
            return {"$names": value.tolist()}
        self.tensors[name] = torch.from_numpy(np.array(value, order="C"))
        return {"$array": name}


def read(written: Any, tensors: Tensors) -> Any:
    """Make a value again, and take its arrays out of the tensors.

    What no `Writer` wrote raises errors of many kinds.
    """
    if isinstance(written, list):
        return [read(item, tensors) for item in written]
    if not isinstance(written, dict):
        return written
    if all(map(_is_plain_key, written)):
        return {key: read(item, tensors) for key, item in written.items()}
    ((tag, content),) = written.items()
    if tag == "$array":
        return tensors.pop(content).numpy().copy()
    if tag == "$names":
        return np.array([str(item) for item in content], dtype=object)
    if tag == "$object":
        name, params = content
        made = _CLASSES[name](**read_params(params, tensors))
        made._validate_params()
        return made
    return _KINDS[tag].put_together(read(content, tensors))


def read_params(written: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Make parameters again; raise for those that name a place."""
    if places := _PLACES & written.keys():
        raise ModelFileError(
            f"its {', '.join(places)} says where to write, and no model should."
        )
    return {key: read(value, tensors) for key, value in written.items()}


def _is_plain_key(key: Any) -> bool:
    """Whether a key cannot be taken for a kind of value."""
    return isinstance(key, str) and not key.startswith("$")
