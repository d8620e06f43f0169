"""From a file to a fitted estimator."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from sklearn_mfavb import estimators
from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.persistence._file import ModelFileError, Tensors, unpack
from sklearn_mfavb.persistence._model import read_model
from sklearn_mfavb.persistence._values import read, read_params
from sklearn_mfavb.persistence._versions import differing_versions
from sklearn_mfavb.training import isolated, resolve_device


def _are(kind: type, values: Any) -> bool:
    """Whether all values are of a type."""
    return all(isinstance(value, kind) for value in values)


# What fit sets beside the model, with checks.
LEARNED: dict[str, Callable[[Any], bool]] = {
    "labels_": lambda v: (v.dtype, v.ndim) == (np.int64, 1),
    "history_": lambda v: isinstance(v, list) and _are(dict, v),
    "paths_": lambda v: v is None or (isinstance(v, list) and _are(str, v)),
    "skipped_": lambda v: _are(int, v) and _are(str, v.values()),
    "max_epochs_": lambda v: type(v) is int,
    "n_features_in_": lambda v: type(v) is int,
    "feature_names_in_": lambda v: v.dtype == object,
    "_sklearn_output_config": lambda v: _are(str, v.values()),
}
_ALWAYS_LEARNED = ("labels_", "history_", "max_epochs_", "paths_", "skipped_")

BackboneFunction = Callable[..., Backbone]


def load(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    backbone: BackboneFunction | None = None,
) -> BaseImageClusterer:
    """Load a fitted estimator that its method `save` wrote.

    Nothing in the file is run, and nothing is downloaded: an estimator is built anew
    and given the numbers that were saved. It predicts what it predicted before, and can
    be fitted again.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="auto"
        Where the networks are put, whatever they were trained on. ``"auto"``: the first
        CUDA device, or the CPU without one. The parameter `device` of the estimator,
        which is for `fit`, stays as it was saved.
    backbone : callable, default=None
        The function that built the network, if the estimator was fitted with one: code
        is not saved.

    Returns
    -------
    BaseImageClusterer
        Fitted, of the class that was saved: `MFAVBClustering` or another. A class of
        your own has to be imported or defined before.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ModelFileError
        If it is not a whole model: something else, cut off, altered, or of a newer
        version of the format; or if its network cannot be built here. It is a
        ValueError.

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
    """Read a file; errors do not name it."""
    document, tensors = unpack(path)
    try:
        # Weights are drawn before they are replaced.
        with isolated(0, device):
            return _build(document, tensors, device, backbone)
    except (MemoryError, ModelFileError):
        raise
    # What is wrong with a document shows where it is used, in errors of many kinds.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelFileError(
            f"its content does not fit together here ({reason})."
            f"{differing_versions(document)}"
        ) from error


def class_name(cls: type) -> str:
    """Return the name by which a file speaks of a class; only ours have no dot."""
    is_own = getattr(estimators, cls.__name__, None) is cls
    return cls.__name__ if is_own else f"{cls.__module__}.{cls.__qualname__}"


def _subclasses(cls: Any) -> Iterator[Any]:
    """Iterate over the classes below one that are imported."""
    for below in cls.__subclasses__():
        yield below
        yield from _subclasses(below)


def _build(
    document: dict[str, Any],
    tensors: Tensors,
    device: torch.device,
    backbone: BackboneFunction | None,
) -> BaseImageClusterer:
    """Build the estimator that a document describes."""
    record = json.loads(bytes(tensors.pop("learned").numpy()))
    estimator = _make_estimator(document, tensors, backbone)
    learned = read(record, tensors)
    for name in (*_ALWAYS_LEARNED, *learned):
        if name not in LEARNED or not LEARNED[name](learned[name]):
            raise ValueError(f"{name!r} is no attribute, or of a wrong type")
    model = read_model(document["model"], tensors, estimator, device)
    if tensors:
        raise ValueError(f"{', '.join(sorted(tensors)[:5])} belong to nothing")
    vars(estimator).update(learned)
    estimator.model_ = model
    estimator.image_size_ = model.image_size
    estimator.n_iter_ = len(estimator.history_)
    return estimator


def _make_estimator(
    document: dict[str, Any], tensors: Tensors, backbone: BackboneFunction | None
) -> BaseImageClusterer:
    """Make an estimator with its parameters, not yet fitted."""
    name = document["class"]
    imported = {class_name(cls): cls for cls in _subclasses(BaseImageClusterer)}
    if name not in imported:
        own = ", ".join(sorted(name for name in imported if "." not in name))
        raise ModelFileError(
            f"it holds a {name!r}, which is none of {own}. A class of your own has to "
            "be imported, or defined, before its model is loaded."
        )
    params = read_params(document["params"], tensors)
    function = document["backbone_function"]
    if (function is None) != (backbone is None):
        raise ModelFileError(
            f"it was fitted with the function {function!r} as backbone, and code is "
            "not saved: pass that function, load(path, backbone=...)."
            if backbone is None
            else f"it was fitted with backbone={params.get('backbone')!r}, so the "
            "function that was passed has no place: leave out backbone."
        )
    if backbone is not None:
        params["backbone"] = backbone
    estimator: BaseImageClusterer = imported[name](**params)
    estimator._validate_params()
    return estimator
