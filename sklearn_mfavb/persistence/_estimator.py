"""From a fitted estimator to a file, and back."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

import sklearn_mfavb
from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.estimators._model import ClusteringModel
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.parameters import ParameterGroup
from sklearn_mfavb.persistence._file import (
    ModelFileError,
    Tensors,
    library_versions,
    pack,
    unpack,
)
from sklearn_mfavb.persistence._model import build_model, describe_model
from sklearn_mfavb.persistence._values import Writer, make_reader, refuse_places
from sklearn_mfavb.training import isolated, resolve_device
from sklearn_mfavb.views import View
from sklearn_mfavb.warn import warn_user

# What fit sets beside the model.
LEARNED: dict[str, Any] = {
    "labels_": np.ndarray,
    "embedding_": np.ndarray,
    "probabilities_": np.ndarray,
    "features_": np.ndarray | None,
    "_fingerprint": str | None,
    "history_": list,
    "paths_": list | None,
    "skipped_": dict,
    "max_epochs_": int,
    "n_clusters_": int,
    "n_clusters_scores_": dict | None,
    "cluster_names_": list,
    "cluster_features_": np.ndarray,
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "_sklearn_output_config": dict,
}
_ALWAYS_LEARNED = (
    "labels_",
    "n_clusters_",
    "history_",
    "max_epochs_",
    "paths_",
    "skipped_",
    "cluster_names_",
    "cluster_features_",
)

_EMBEDDINGS = {"embedding_", "probabilities_", "features_", "_fingerprint"}

_TOLERANCE = 1e-3  # of the length of the outputs; equal bit for bit on CPUs

BackboneFunction = Callable[..., Backbone]


def load(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    backbone: BackboneFunction | None = None,
) -> BaseImageClusterer:
    """Load a fitted estimator that its method `save` wrote.

    No code in the file is run, and nothing is downloaded: a new estimator is built and
    given the numbers that were saved. It predicts what it predicted before, and can be
    fitted again.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="auto"
        Where the networks are put; ``"auto"`` is the first CUDA device, or the CPU
        without one. The estimator's parameter `device`, which is for `fit`, stays as it
        was saved.
    backbone : callable, default=None
        The function that built the network, if the estimator was fitted with one: code
        is not saved.

    Returns
    -------
    BaseImageClusterer
        The fitted estimator, of the class that was saved. Import or define your own
        class before.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ModelFileError
        A ValueError, if it is not a whole model that this version can read and build.

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
    place, then = resolve_device(device), None
    with open(path, "rb") as file:
        try:
            config, tensors = unpack(file)
            then = json.loads(config)["versions"]
            return read_estimator(config, tensors, place, backbone)
        except MemoryError:
            raise
        # What is wrong with a file shows where it is used, in errors of many kinds.
        except Exception as error:
            text = f"{os.fspath(path)!r} was not loaded: {_explain(error, then)}"
            raise ModelFileError(text) from error


def _explain(error: Exception, then: Any) -> str:
    """Tell what is wrong with a file; `then` are the versions that wrote it."""
    if isinstance(error, ModelFileError):
        return str(error)
    cause, now = f"{type(error).__name__}: {error}", library_versions()
    told = f"it is not a model file, is damaged, or cannot be built here ({cause})."
    return told if then in (None, now) else f"{told} Saved with {then}, here are {now}."


def read_estimator(
    config: bytes,
    tensors: Tensors,
    device: torch.device,
    backbone: BackboneFunction | None,
) -> BaseImageClusterer:
    """Build the estimator of a file, or raise errors of any kind."""
    # Weights are drawn before they are replaced.
    with isolated(0, device):
        cls = _find_class(json.loads(config)["class"])
        document = json.loads(config, object_hook=make_reader(tensors))
        estimator = _build_estimator(cls, document, backbone)
        learned = document["learned"]
        for name in (*_ALWAYS_LEARNED, *learned):
            if name not in LEARNED or not isinstance(learned[name], LEARNED[name]):
                raise ValueError(f"{name!r} is not an attribute, or has a wrong type")
        _check_rows(learned)
        vars(estimator).update(learned)  # networks are built by the number of clusters
        model = build_model(document["model"], tensors, estimator, device)
    if tensors:
        raise ValueError(f"{', '.join(sorted(tensors)[:5])} belong to nothing")
    estimator.model_, estimator.image_size_ = model, model.image_size
    estimator.n_iter_ = len(estimator.history_)
    _check_clusters(estimator)
    return estimator


def _check_rows(learned: dict[str, Any]) -> None:
    """Raise unless labels are clusters, and what is kept fits them.

    All embeddings or none are kept, with a row of float32 for each label.
    """
    labels, n_clusters = learned["labels_"], learned["n_clusters_"]
    if (labels.dtype, labels.ndim) != (np.int64, 1) or not np.all(
        (labels >= -1) & (labels < n_clusters)
    ):
        raise ValueError("'labels_' are not numbers of clusters")
    for index, why in learned["skipped_"].items():
        is_known = type(index) is int and 0 <= index < len(labels)
        if not (is_known and isinstance(why, str)):
            raise ValueError("'skipped_' does not give reasons for images")
    probabilities = learned.get("probabilities_")
    if probabilities is not None and probabilities.shape[1:] != (n_clusters,):
        raise ValueError("'probabilities_' do not have a column for each cluster")
    names = _EMBEDDINGS & learned.keys()
    if names not in (set(), _EMBEDDINGS):
        raise ValueError(f"{', '.join(sorted(names))} alone are not all that is kept")
    for name in names:
        rows, n_labels = learned[name], len(learned["labels_"])
        is_array = isinstance(rows, np.ndarray)
        if is_array and (rows.dtype, rows.ndim, len(rows)) != (np.float32, 2, n_labels):
            raise ValueError(f"{name!r} does not have a row of numbers for each label")


def _build_estimator(
    cls: type[BaseImageClusterer],
    document: dict[str, Any],
    backbone: BackboneFunction | None,
) -> BaseImageClusterer:
    """Make an estimator with its parameters, not yet fitted."""
    params = refuse_places(document["params"])
    function = document["backbone_function"]
    if function is not None and backbone is None:
        raise ModelFileError(
            f"it was fitted with the function {function!r} as backbone, and code is "
            "not saved: pass that function, load(path, backbone=...)."
        )
    if function is None and backbone is not None:
        raise ModelFileError(
            f"it was fitted with backbone={params.get('backbone')!r}, so the function "
            "that was passed has no place: leave out backbone."
        )
    if backbone is not None:
        params["backbone"] = backbone
    estimator = cls(**params)
    estimator._validate_params()
    return estimator


def _check_clusters(estimator: BaseImageClusterer) -> None:
    """Raise unless every cluster has a name and mean features."""
    names, means = estimator.cluster_names_, estimator.cluster_features_
    shape = (estimator.n_clusters_, sum(estimator.model_.view_shape.feature_dims))
    if [type(name) for name in names] != [str] * shape[0] or means.shape != shape:
        raise ValueError("clusters do not have a name and a row of features each")


def _find_class(name: str) -> type[BaseImageClusterer]:
    """Return the class that a file names, among those that are imported."""
    if name in sklearn_mfavb.__all__:
        getattr(sklearn_mfavb, name)  # which imports it
    imported = {cls.__name__: cls for cls in _subclasses(BaseImageClusterer)}
    if name not in imported:
        raise ModelFileError(
            f"it holds a {name!r}, not one of {', '.join(sorted(imported))}. "
            "Import or define your own class before you load its model."
        )
    return imported[name]


def _subclasses(cls: Any) -> Iterator[Any]:
    """Iterate over the classes below one that are imported."""
    for below in cls.__subclasses__():
        yield below
        yield from _subclasses(below)


def save_estimator(
    estimator: BaseImageClusterer,
    path: str | os.PathLike[str],
    *,
    encoder: bool = True,
    embeddings: bool = True,
) -> None:
    """Write a fitted estimator to a file, and read it back before that counts."""
    check_is_fitted(estimator)
    params = estimator.get_params(deep=False)
    backbone = params.get("backbone")
    is_code = callable(backbone) and not isinstance(backbone, ParameterGroup)
    function = params.pop("backbone") if is_code else None
    left_out = set() if embeddings else _EMBEDDINGS
    kept = LEARNED.keys() - left_out
    learned = {k: v for k, v in vars(estimator).items() if k in kept}
    writer = Writer()
    document = {
        "class": type(estimator).__name__,
        "params": writer.write_params(params),
        # For people: it is not looked up.
        "backbone_function": function and getattr(function, "__qualname__", "object"),
        "learned": writer.write(learned, "learned"),
        "model": writer.write(
            describe_model(estimator.model_, writer, encoder=encoder), "model"
        ),
    }
    with replace_file(path) as file:
        pack(file, document, writer.tensors)
        file.flush()
        copy = _read_back(estimator, file.name, function)
        lost = vars(estimator).keys() - vars(copy).keys() - left_out
        dropped = [*writer.dropped, *sorted(lost)]
        if dropped:
            warn_user(
                "Not saved, because they are code or places on this machine: "
                f"{', '.join(dropped)}. After loading they have their defaults; "
                "predictions do not depend on them."
            )


def _read_back(
    estimator: BaseImageClusterer, path: str, function: Any
) -> BaseImageClusterer:
    """Load what was written, and compare what both models compute on noise.

    Weights of the same shapes may belong to another network: one with more attention
    heads, if that parameter was changed after `fit`.
    """
    model = estimator.model_
    try:
        with open(path, "rb") as file:
            copy = read_estimator(*unpack(file), model.device, function)
        pairs = zip(_outputs(copy.model_), _outputs(model), strict=True)
        if any(torch.dist(a, b) > _TOLERANCE * b.norm() for a, b in pairs):
            raise ValueError("it would not predict the same as the estimator.")
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"What would be saved cannot be loaded: {error} If parameters were changed "
            "after fit, set them back or fit again."
        ) from error
    return copy


def _outputs(model: ClusteringModel) -> tuple[Tensor, Tensor]:
    """Embed and label noise, the same in every call."""
    shape, device = model.view_shape, model.device
    with isolated(0, device), torch.no_grad():
        images = features = None
        if shape.image_size:
            images = torch.rand(2, shape.n_channels, *shape.image_size, device=device)
        if shape.feature_dims:
            features = torch.rand(2, sum(shape.feature_dims), device=device)
        embedding = model.network.eval().embed(View(images, features))
        return embedding, model.assigner.eval()(embedding)
