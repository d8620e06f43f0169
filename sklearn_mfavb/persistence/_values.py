"""Parameters and learned values as JSON and tensors, and back, type for type."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.parameters import ParameterGroup
from sklearn_mfavb.persistence._file import ModelFileError, Tensors

_MIXTURE = ("weights_", "means_", "covariances_", "precisions_cholesky_")
_BAYESIAN = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_")
# What scikit-learn's estimators predict with; the first has a row for each cluster.
FITTED: dict[type, tuple[str, ...]] = {
    KMeans: ("cluster_centers_",),
    MiniBatchKMeans: ("cluster_centers_",),
    GaussianMixture: _MIXTURE,
    BayesianGaussianMixture: (*_MIXTURE, *_BAYESIAN),
}
# The objects that a parameter may be.
_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (*ParameterGroup.__subclasses__(), CLIPFeatures, *FITTED)
}
# A file of someone else's must not say where this machine writes.
_PLACES = {"cache_dir", "checkpoint"}
# Parameters that no prediction depends on: without them a model is still whole.
_FOR_TRAINING = {
    "augmentation",
    "augmentation__features",
    "augmentation__images",
    "training__callbacks",
}


def refusal(name: str, value: Any) -> TypeError:
    """Make the error for a value that is not data."""
    return TypeError(
        f"{name}={value!r} cannot be saved without pickle: it is not a plain value, "
        f"but a {type(value).__name__}. joblib.dump saves any object."
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
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, os.PathLike | torch.device):
            return str(value)
        if isinstance(value, list):
            return [self.write(item, f"{name}.{i}") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"$tuple": self.write(list(value), name)}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {k: self.write(item, f"{name}.{k}") for k, item in value.items()}
        if isinstance(value, dict):
            return {"$dict": self.write(list(value.items()), name)}
        if isinstance(value, np.ndarray) and value.dtype == object:
            return {"$names": self.write(value.tolist(), name)}
        if isinstance(value, np.ndarray):
            own = np.require(value, requirements=["C", "W"])  # torch warns of others
            self.tensors[name] = torch.from_numpy(own)
            return {"$array": name}
        if type(value) is _CLASSES.get(type(value).__name__):
            params = self.write_params(value.get_params(deep=False), f"{name}__")
            return {"$object": [type(value).__name__, params]}
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
            self.tensors[prefix + name] = value.detach().cpu().clone().contiguous()


def make_reader(tensors: Tensors) -> Callable[[dict[str, Any]], Any]:
    """Return the `object_hook` of `json` that makes values again.

    Their arrays are taken out of the tensors.
    """

    def read(told: dict[str, Any]) -> Any:
        match told:
            case {"$tuple": items}:
                return tuple(items)
            case {"$dict": pairs}:
                return dict(pairs)
            case {"$names": names}:
                return np.array([str(name) for name in names], dtype=object)
            case {"$array": name}:
                return tensors.pop(name).numpy().copy()
            case {"$object": [name, params]}:
                made = _CLASSES[name](**refuse_places(params))
                made._validate_params()
                return made
        return told

    return read


def refuse_places(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters, unless they name a place."""
    if places := _PLACES & params.keys():
        raise ModelFileError(
            f"its {', '.join(places)} says where to write, and no model should."
        )
    return params
