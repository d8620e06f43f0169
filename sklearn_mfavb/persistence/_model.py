"""A fitted model: its encoders, network and assigner, as values and tensors."""

import math
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_mfavb.assignment import EstimatorAssigner, MixtureAssigner
from sklearn_mfavb.backbones import choose_attention
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.estimators._model import ClusteringModel, view_shape
from sklearn_mfavb.features import CLIPFeatures, FrozenEncoder
from sklearn_mfavb.heads import CenterHead
from sklearn_mfavb.images import ImageFormat
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.outliers import OutlierScorer
from sklearn_mfavb.persistence._file import Tensors
from sklearn_mfavb.persistence._values import FITTED, Writer, refusal

# Networks have parts that are thrown away when they are built, such as a classifier.
_MADE_PER_SAVED = 16
_ALWAYS_ALLOWED = 2**25  # numbers; 128 MB
_SMALLEST_COST = 2**13  # numbers; about what the objects around a tensor take
_MOST_PIXELS = 2**24  # times channels, of an image; 4096 x 4096 in grayscale

# Assigners that are no copy of a head of the network.
_LEARNED_APART: dict[str, Any] = {
    "MixtureAssigner": MixtureAssigner,
    "CenterHead": CenterHead,
}


class LimitedMemory(TorchDispatchMode):
    """Stop the building of networks that are far larger than what was saved.

    Every tensor that is made from a size alone counts, before it is made: weights, and
    the images that a network is tried with.
    """

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        n_saved = sum(tensor.numel() for tensor in tensors.values())
        self.left = _MADE_PER_SAVED * n_saved + _ALWAYS_ALLOWED

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Count what an operation makes; raise ValueError when it is too much."""
        size = args[0] if args else None
        if isinstance(size, list | tuple) and all(isinstance(n, int) for n in size):
            self.left -= max(math.prod(size), _SMALLEST_COST)
        if self.left < 0:
            raise ValueError("it describes networks far larger than the numbers in it")
        return func(*args, **(kwargs or {}))


def describe_model(
    model: ClusteringModel, writer: Writer, *, encoder: bool
) -> dict[str, Any]:
    """Return a model as values to write, and write its weights.

    Those of encoders are written if `encoder` is True.
    """
    writer.write_state(model.network.state_dict(), "network.")
    writer.write_state(model.outliers.state_dict(), "outliers.")
    return {
        "encoders": [
            _describe_encoder(each, f"encoders.{index}.", writer, leave_out=not encoder)
            for index, each in enumerate(model.encoders)
        ],
        "image_format": model.image_format and asdict(model.image_format),
        "image_size": model.image_size,
        "assigner": _describe_assigner(model.assigner, writer),
    }


def build_model(
    told: dict[str, Any],
    tensors: Tensors,
    estimator: BaseImageClusterer,
    device: torch.device,
) -> ClusteringModel:
    """Build the model of an estimator; its tensors are taken out of all."""
    image_format = told["image_format"] and ImageFormat(**told["image_format"])
    size = told["image_size"]
    _check_size(image_format, size)
    with LimitedMemory(tensors):
        encoders = [
            _build_encoder(each, f"encoders.{index}.", tensors, device)
            for index, each in enumerate(told["encoders"])
        ]
        network = estimator._make_network(view_shape(encoders, image_format, size))
        network.load_state_dict(_take(tensors, "network."))
        assigner = _build_assigner(told["assigner"], tensors, estimator, network)
    choose_attention(network, device)
    network.to(device).eval()
    assigner.to(device).eval()
    outliers = _build_outliers(_take(tensors, "outliers."), encoders, network)
    return ClusteringModel(
        encoders, image_format, size, network, assigner, outliers.to(device)
    )


def _build_outliers(
    state: Tensors, encoders: list[FrozenEncoder], network: ClusteringNetwork
) -> OutlierScorer:
    """Build what scores how normal images are."""
    outliers = OutlierScorer(**state)
    widths = [encoder.feature_dim for encoder in encoders]
    width = sum(widths) or network.backbone.embed_dim
    typical, threshold = outliers.typical, outliers.threshold
    have_shapes = typical.ndim == 2 and typical.shape[1] == width and not threshold.ndim
    if not have_shapes or {typical.dtype, threshold.dtype} != {torch.float32}:
        raise ValueError("what tells outliers has another type or shape")
    return outliers


def _take(tensors: Tensors, prefix: str) -> Tensors:
    """Take the tensors whose names have a prefix out of all."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _check_size(image_format: ImageFormat | None, size: Any) -> None:
    """Raise for images that would fill the memory, or are none."""
    n_channels = image_format.n_channels if image_format else int(size is None)
    sides = (*(size or (1, 1)), n_channels)
    are_counts = len(sides) == 3 and all(type(n) is int and n > 0 for n in sides)
    if not are_counts or math.prod(sides) > _MOST_PIXELS:
        raise ValueError(f"{size!r} with {n_channels} channels is not a size of images")


def _describe_encoder(
    encoder: FrozenEncoder, prefix: str, writer: Writer, *, leave_out: bool
) -> dict[str, Any]:
    """Describe an encoder, and write its weights unless the user passes features."""
    told = {"name": encoder.name, "mean": encoder.mean, "weight": encoder.weight}
    if encoder.transformer is None:
        return {**told, "transformer": None}
    if type(encoder.transformer) is not CLIPFeatures:
        raise refusal("encoder", encoder.transformer)
    state, weights = encoder.transformer.get_state(leave_out=leave_out)
    writer.write_state({k: _in_own_precision(w) for k, w in weights.items()}, prefix)
    # Loaded, it runs where the network does, and keeps nothing on disk.
    portable = clone(encoder.transformer).set_params(device="auto", cache_dir=None)
    return {**told, "transformer": portable, "state": state}


def _in_own_precision(weights: Tensor) -> Tensor:
    """Return weights in the half precision that they came in, if they did."""
    for dtype in (torch.float16, torch.bfloat16):
        half = weights.to(dtype)
        if weights.dtype == torch.float32 and half.float().equal(weights):
            return half
    return weights


def _build_encoder(
    told: dict[str, Any], prefix: str, tensors: Tensors, device: torch.device
) -> FrozenEncoder:
    """Build an encoder with its weights."""
    transformer, mean = told["transformer"], told["mean"]
    if mean.dtype != np.float32 or mean.ndim != 1:
        raise ValueError("the mean of an encoder is not a row of float32")
    if transformer is not None:
        transformer.set_params(device=str(device))
        transformer.set_state(told["state"], _take(tensors, prefix))
        encoder = getattr(transformer, "encoder_", None)  # None: it was left out
        if encoder is not None and encoder.feature_dim != len(mean):
            raise ValueError("the mean of an encoder has another length than features")
    weight = float(told["weight"])
    return FrozenEncoder(str(told["name"]), transformer, mean, weight)


def _describe_assigner(assigner: nn.Module, writer: Writer) -> dict[str, Any]:
    """Describe what assigns embeddings, and write its weights."""
    kind = type(assigner).__name__
    if not isinstance(assigner, EstimatorAssigner):
        writer.write_state(assigner.state_dict(), "assigner.")
        return {"kind": kind}
    inner = assigner.estimator
    if type(inner) not in FITTED:
        raise refusal("assignment", inner)
    fitted = {name: getattr(inner, name) for name in FITTED[type(inner)]}
    return {"kind": kind, "fitted": fitted}


def _build_assigner(
    told: dict[str, Any],
    tensors: Tensors,
    estimator: BaseImageClusterer,
    network: ClusteringNetwork,
) -> nn.Module:
    """Build what assigns embeddings, with what it has learned."""
    kind, embed_dim = told["kind"], network.backbone.embed_dim
    if kind == "EstimatorAssigner":
        return _fill_estimator(estimator.assignment, told["fitted"], embed_dim)
    if kind in _LEARNED_APART:
        made = _LEARNED_APART[kind](embed_dim, estimator.n_clusters_)
    else:
        made = deepcopy(network.cluster_heads[0])
    made.load_state_dict(_take(tensors, "assigner."))
    return made.requires_grad_(False)


def _fill_estimator(
    assignment: Any, fitted: dict[str, Any], embed_dim: int
) -> EstimatorAssigner:
    """Give an estimator of scikit-learn what it has learned, and try it."""
    assigner = EstimatorAssigner(assignment)
    inner = assigner.estimator
    names = FITTED[type(inner)]
    for name in names:
        setattr(inner, name, fitted[name])
    assigner.n_outputs = len(fitted[names[0]])
    inner.n_features_in_ = embed_dim
    if "cluster_centers_" in fitted:
        centers, shape = inner.cluster_centers_, (inner.n_clusters, embed_dim)
        # Compiled code reads them without checks.
        if centers.dtype != np.float32 or centers.shape != shape:
            raise ValueError("cluster_centers_ has another type or shape")
        inner._n_threads = _openmp_effective_n_threads()
    assigner(torch.zeros(2, embed_dim))
    return assigner
