"""From a file to a fitted estimator."""

import json
import os
from collections.abc import Callable
from typing import Any, cast

import torch

from sklearn_mfavb.backbones import Backbone, choose_attention
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.persistence._annotations import fits
from sklearn_mfavb.persistence._file import ModelFileError, Tensors, unpack
from sklearn_mfavb.persistence._modules import LimitedMemory, fill
from sklearn_mfavb.persistence._parts import (
    build_encoder,
    build_readout,
    check_size,
)
from sklearn_mfavb.persistence._table import CLASSES, PLACES, learned_values
from sklearn_mfavb.persistence._values import from_json
from sklearn_mfavb.persistence._versions import differing_versions
from sklearn_mfavb.training import ClusteringNet, local_seed, resolve_device

NETWORK, ARRAYS, RECORD = "network.", "learned.", "record"

_WRONG_DOCUMENT = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

BackboneFunction = Callable[..., Backbone]


def load(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    backbone: BackboneFunction | None = None,
) -> BaseImageClusterer:
    """Load a fitted estimator that its method `save` wrote.

    Nothing in the file is run, and nothing is downloaded: an estimator of this package
    is built anew and given the numbers that were saved. It predicts what it predicted
    before, and can be fitted again.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="auto"
        Where the network is put, whatever it was trained on. ``"auto"``: the first CUDA
        device, or the CPU without one. The parameter `device` of the estimator, which
        is for `fit`, stays as it was saved.
    backbone : callable, default=None
        The function that built the network, if the estimator was fitted with one: code
        is not saved.

    Returns
    -------
    BaseImageClusterer
        Fitted, of the class that was saved: `MFAVBClustering` or another.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ModelFileError
        If it is not a whole model: something else, cut off, altered, or of a newer
        version of the format; or if its network cannot be built here. It is a
        ValueError.
    ValueError
        If the device is not available.

    See Also
    --------
    MFAVBClustering.save : Write the file; the other estimators have it too.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sklearn_mfavb
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = sklearn_mfavb.VTCCClustering(3, max_epochs=2, random_state=0)
    >>> labels = clusterer.fit_predict(images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clusterer.save(Path(folder, "shapes.mfavb"))
    ...     loaded = sklearn_mfavb.load(Path(folder, "shapes.mfavb"))
    >>> bool((loaded.predict(images) == labels).all())
    True
    """
    resolved = resolve_device(device)
    try:
        return read_estimator(path, device=resolved, backbone=backbone)
    except OSError as error:
        reason = f"{error.strerror or error}; a model is one file, which `save` writes"
        raise OSError(error.errno, reason, os.fspath(path)) from error
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)!r} was not loaded: {error}") from error


def read_estimator(
    path: str | os.PathLike[str],
    *,
    device: torch.device,
    backbone: BackboneFunction | None,
) -> BaseImageClusterer:
    """Read a file; errors do not name it.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : torch.device
        Where the network is put.
    backbone : callable or None
        The function that built the network.

    Returns
    -------
    BaseImageClusterer

    Raises
    ------
    ModelFileError
        If it is not a whole model.
    """
    document, tensors = unpack(path)
    try:
        estimator = _make_estimator(document, backbone)
        for name, value in _read_learned(type(estimator), tensors).items():
            setattr(estimator, name, value)
        with local_seed(0, device):  # weights are drawn before they are replaced
            _add_networks(estimator, from_json(document["networks"]), tensors, device)
    except ModelFileError:
        raise
    # What is wrong with a document shows where it is used, in errors of many kinds.
    except _WRONG_DOCUMENT as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelFileError(
            f"its content does not fit together here ({reason})."
            f"{differing_versions(document['versions'])}"
        ) from error
    return estimator


def _make_estimator(
    document: dict[str, Any], backbone: BackboneFunction | None
) -> BaseImageClusterer:
    """Make an estimator with its parameters, not yet fitted."""
    name = document["estimator"]
    if name not in CLASSES:
        raise ModelFileError(
            f"it holds a {name!r}, and this version has {', '.join(CLASSES)}."
        )
    parameters = from_json(document["parameters"])
    if PLACES & parameters.keys():
        raise ModelFileError("it says where to write, and no model should.")
    function = document["backbone_function"]
    if (function is None) != (backbone is None):
        raise ModelFileError(
            f"it was fitted with the function {function!r} as backbone, and code is "
            "not saved: pass that function, load(path, backbone=...)."
            if backbone is None
            else f"it was fitted with backbone={parameters.get('backbone')!r}, so the "
            "function that was passed has no place: leave out backbone."
        )
    if backbone is not None:
        parameters["backbone"] = backbone
    estimator = CLASSES[name](**parameters)
    estimator._validate_params()
    return estimator


def _read_learned(cls: type[BaseImageClusterer], tensors: Tensors) -> dict[str, Any]:
    """Read what was learned but for networks, and check its types."""
    record = bytes(tensors.pop(RECORD).numpy())
    learned = cast(dict[str, Any], from_json(json.loads(record)))
    for name in [name for name in tensors if name.startswith(ARRAYS)]:
        learned[name.removeprefix(ARRAYS)] = tensors.pop(name).numpy().copy()
    known = learned_values(cls)
    for name, value in learned.items():
        if name not in known or not fits(value, known[name]):
            raise ValueError(f"{name!r} is no attribute, or of a wrong type")
    return learned


def _add_networks(
    estimator: BaseImageClusterer,
    told: dict[str, Any],
    tensors: Tensors,
    device: torch.device,
) -> None:
    """Build the networks, load their weights, and put them on the device."""
    n_channels = estimator.image_format_.n_channels
    check_size(estimator.image_size_, n_channels)
    mean = getattr(estimator, "feature_mean_", None)
    with LimitedMemory(sum(tensor.numel() for tensor in tensors.values())):
        network = estimator._build_network(
            estimator.image_size_,
            None if mean is None else len(mean),
            pixel_mean=torch.zeros(n_channels),
            pixel_std=torch.ones(n_channels),
        )
        fill(network, tensors, NETWORK)
        readout = build_readout(told["readout"], network, estimator.n_clusters, tensors)
        if hasattr(estimator, "clip_extractor_"):
            encoder = build_encoder(told["encoder"], tensors)
            estimator.clip_encoder_ = encoder.to(device)
    if tensors:
        raise ValueError(f"{', '.join(sorted(tensors)[:5])} belong to nothing")
    choose_attention(network, device)
    estimator.net_ = ClusteringNet.around(network.to(device), device)
    estimator.readout_ = readout.to(device)
