"""From a fitted estimator to a file."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.persistence._file import ModelFileError, Tensors, pack
from sklearn_mfavb.persistence._loading import ARRAYS, NETWORK, RECORD, read_estimator
from sklearn_mfavb.persistence._modules import gather
from sklearn_mfavb.persistence._parts import describe_encoder, describe_readout
from sklearn_mfavb.persistence._probing import check_copy
from sklearn_mfavb.persistence._table import (
    CLASSES,
    NETWORKS,
    PLACES,
    learned_values,
)
from sklearn_mfavb.persistence._values import to_json
from sklearn_mfavb.persistence._versions import library_versions

# Parameters that no prediction depends on: without them a model is still whole.
_FOR_TRAINING = {"augmentation", "feature_augmentation", "callbacks", "random_state"}


def save_estimator(estimator: BaseImageClusterer, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a file, and read it back before that counts.

    Parameters
    ----------
    estimator : BaseImageClusterer
        Of a class of this package, fitted.
    path : str or path-like
        The file; replaced as a whole if it is there.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is of another class, or something of it cannot be saved.
    ValueError
        If what would be saved would not give the same predictions.
    OSError
        If the file cannot be written; what was there stays.

    Warns
    -----
    UserWarning
        If parameters that are for training only cannot be saved.
    """
    check_is_fitted(estimator, "net_")
    if CLASSES.get(type(estimator).__name__) is not type(estimator):
        raise TypeError(
            f"{type(estimator).__name__} is no class of sklearn_mfavb, and code is not "
            "saved. joblib.dump saves objects of any class."
        )
    dropped: list[str] = []
    parameters, function = _take_parameters(estimator, dropped)
    learned, tensors = _take_learned(estimator, dropped)
    networks = _take_networks(estimator, tensors)
    document = {
        "estimator": type(estimator).__name__,
        "versions": library_versions(),
        "parameters": parameters,
        "backbone_function": function,
        "networks": to_json(networks),
    }
    record = json.dumps(learned, sort_keys=True).encode()
    tensors[RECORD] = torch.frombuffer(bytearray(record), dtype=torch.uint8)
    if dropped:
        _warn_of_dropped(dropped)
    with replace_file(path) as file:
        file.write(pack(document, tensors))
        file.flush()
        _read_back(estimator, Path(file.name))


def _take_parameters(
    estimator: BaseImageClusterer, dropped: list[str]
) -> tuple[dict[str, Any], str | None]:
    """Write the parameters, and the name of the function that built the network."""
    parameters = estimator.get_params(deep=False)
    function = None
    if not isinstance(parameters["backbone"], str):
        function = _name_function(parameters.pop("backbone"))
    written = {}
    for name in PLACES:
        if parameters.pop(name) is not None:
            dropped.append(name)
    for name, value in parameters.items():
        try:
            written[name] = _write(name, value)
        except TypeError:
            if name not in _FOR_TRAINING:
                raise
            dropped.append(name)
    if isinstance(estimator.clip, CLIPFeatures) and estimator.clip.cache_dir:
        dropped.append("clip__cache_dir")
    return written, function


def _write(name: str, value: Any) -> Any:
    """Write a value; raise TypeError that names it if it is none that JSON can hold."""
    try:
        return to_json(value)
    except TypeError as error:
        raise TypeError(
            f"{name}={value!r} cannot be saved without pickle: {error}."
        ) from error


def _name_function(function: Any) -> str:
    """Name a function, for people: it is not looked up."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None)}.{name}"


def _take_learned(
    estimator: BaseImageClusterer, dropped: list[str]
) -> tuple[dict[str, Any], Tensors]:
    """Write what was learned but for networks, arrays of numbers as tensors."""
    known = learned_values(type(estimator))
    known_otherwise = NETWORKS | estimator.get_params(deep=False).keys()
    written: dict[str, Any] = {}
    tensors: Tensors = {}
    for name, value in vars(estimator).items():
        if name in known_otherwise:
            continue
        if name not in known:
            dropped.append(name)
        elif isinstance(value, np.ndarray) and value.dtype != object:
            tensors[ARRAYS + name] = torch.from_numpy(np.array(value))
        else:
            written[name] = _write(name, value)
    return written, tensors


def _take_networks(estimator: BaseImageClusterer, tensors: Tensors) -> dict[str, Any]:
    """Describe the networks, and add their weights to the tensors."""
    network = estimator.net_.module_
    tensors.update(gather(network, NETWORK))
    readout, weights = describe_readout(estimator.readout_, network.cluster_heads)
    tensors.update(weights)
    encoder = None
    if hasattr(estimator, "clip_encoder_"):
        encoder, weights = describe_encoder(estimator.clip_encoder_)
        tensors.update(weights)
    return {"readout": readout, "encoder": encoder}


def _read_back(estimator: BaseImageClusterer, path: Path) -> None:
    """Load what was written, and hold it against what it was made of."""
    function = None if isinstance(estimator.backbone, str) else estimator.backbone
    device = torch.device(estimator.net_.device)
    try:
        copy = read_estimator(path, device=device, backbone=function)
        check_copy(copy, estimator)
    except ModelFileError as error:
        raise ValueError(
            f"What would be saved cannot be loaded: {error} If parameters were changed "
            "after fit, set them back or fit again."
        ) from error


def _warn_of_dropped(names: list[str]) -> None:
    """Warn that some things will not come back."""
    warnings.warn(
        "Not saved, being no plain values or places on this machine: "
        f"{', '.join(names)}. Loaded, the estimator has their defaults; its "
        "predictions do not depend on them.",
        UserWarning,
        stacklevel=4,  # the caller of the estimator's method
    )
