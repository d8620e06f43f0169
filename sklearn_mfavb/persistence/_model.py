"""A fitted model: its encoders, network and assigner, as values and tensors."""

import math
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_mfavb.assignment import EstimatorAssigner, MixtureAssigner
from sklearn_mfavb.backbones import choose_attention
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.estimators._model import ClusteringModel, view_shape
from sklearn_mfavb.features import CLIPFeatures, FrozenEncoder
from sklearn_mfavb.heads import CenterHead
from sklearn_mfavb.images import ImageFormat, Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.persistence._file import Tensors
from sklearn_mfavb.persistence._values import Writer, read, refusal

# Networks have parts that are thrown away when they are built, such as a classifier.
_MADE_PER_SAVED = 16
_ALWAYS_ALLOWED = 2**25  # numbers; 128 MB
_SMALLEST_COST = 2**13  # numbers; about what the objects around a tensor take


class LimitedMemory(TorchDispatchMode):
    """Stop the building of networks that are far larger than what was saved.

    Every tensor that is made from a size alone counts, before it is made: weights, and
    the images that a network is tried with.
    """

    def __init__(self, n_saved: int) -> None:
        super().__init__()
        self.n_saved = n_saved
        self.left = _MADE_PER_SAVED * n_saved + _ALWAYS_ALLOWED

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Count what an operation makes; raise ValueError when it is too much."""
        size = args[0] if args else None
        if isinstance(size, list | tuple) and all(isinstance(n, int) for n in size):
            self.left -= max(math.prod(size), _SMALLEST_COST)
        if self.left < 0:
            raise ValueError(
                "the networks that it describes are far larger than the "
                f"{self.n_saved:,} numbers it holds"
            )
        return func(*args, **(kwargs or {}))


_MOST_PIXELS = 2**24  # times channels, of an image; 4096 x 4096 in grayscale
_MIXTURE = ("weights_", "means_", "covariances_", "precisions_cholesky_")
_BAYESIAN = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_")
# What scikit-learn's estimators predict with; the first has a row for each cluster.
_FITTED: dict[type, tuple[str, ...]] = {
    KMeans: ("cluster_centers_",),
    MiniBatchKMeans: ("cluster_centers_",),
    GaussianMixture: _MIXTURE,
    BayesianGaussianMixture: (*_MIXTURE, *_BAYESIAN),
}


def write_model(model: ClusteringModel, writer: Writer) -> dict[str, Any]:
    """Write a model as values for JSON, its arrays and weights as tensors."""
    writer.write_state(model.network.state_dict(), "network.")
    return {
        "encoders": [
            _write_encoder(encoder, f"encoders.{index}.", writer)
            for index, encoder in enumerate(model.encoders)
        ],
        "image_format": model.image_format and asdict(model.image_format),
        "image_size": model.image_size,
        "assigner": _write_assigner(model, writer),
    }


def read_model(
    told: dict[str, Any],
    tensors: Tensors,
    estimator: BaseImageClusterer,
    device: torch.device,
) -> ClusteringModel:
    """Build the model of an estimator; its tensors are taken out of all."""
    image_format = told["image_format"] and _read_format(told["image_format"])
    size = told["image_size"] and _read_size(told["image_size"], image_format)
    with LimitedMemory(sum(tensor.numel() for tensor in tensors.values())):
        encoders = [
            _read_encoder(each, f"encoders.{index}.", tensors, device)
            for index, each in enumerate(told["encoders"])
        ]
        network = estimator._make_network(view_shape(encoders, image_format, size))
        network.load_state_dict(_take(tensors, "network."))
        assigner = _read_assigner(told["assigner"], tensors, estimator, network)
    choose_attention(network, device)
    network.to(device).eval()
    assigner.to(device).eval()
    return ClusteringModel(encoders, image_format, size, network, assigner)


def _take(tensors: Tensors, prefix: str) -> Tensors:
    """Take the tensors whose names have a prefix out of all."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _read_format(told: dict[str, Any]) -> ImageFormat:
    """Make the format of images, if its values are those that fit can learn."""
    values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    made = ImageFormat(**values)
    shape, axis, resize = made.image_shape, made.channel_axis, made.resize
    reading: Any = {"image_shape": shape, "channel_axis": axis, "resize": resize}
    Reading(**reading)._validate_params()
    ends = (*made.pixel_range, *(made.deep_range or (0.0, 1.0)))
    is_finite = len(ends) == 4 and math.isfinite(sum(ends))
    is_known = made.pixel_rule in ("auto", "fixed", "data")
    if not (is_finite and is_known and min(shape) >= 1):
        raise ValueError(f"{made!r} describes no images")
    return made


def _read_size(told: Any, image_format: ImageFormat | None) -> tuple[int, int]:
    """Check the size of images, which must make sense and not fill the memory."""
    height, width = told
    n_channels = image_format.n_channels if image_format else 0
    sides = height, width, n_channels
    are_counts = all(type(side) is int and side > 0 for side in sides)
    if not are_counts or math.prod(sides) > _MOST_PIXELS:
        raise ValueError(
            f"images of {height} x {width} pixels with {n_channels} channels are not "
            f"of 1 to {_MOST_PIXELS:,} values"
        )
    return height, width


def _write_encoder(
    encoder: FrozenEncoder, prefix: str, writer: Writer
) -> dict[str, Any]:
    """Write an encoder, with its weights unless the user passes the features."""
    told = {
        "mean": writer.write(encoder.mean, f"{prefix}mean"),
        "transformer": None,
        "weight": encoder.weight,
    }
    transformer = encoder.transformer
    if transformer is None:
        return {"name": encoder.name, **told}
    if type(transformer) is not CLIPFeatures:
        raise refusal("encoder", transformer)
    state, weights = transformer.get_state()
    writer.write_state(weights, f"{prefix}state.")
    # Loaded, it runs where the network does, and keeps nothing on disk.
    portable = clone(transformer).set_params(device="auto", cache_dir=None)
    told["transformer"] = writer.write(portable, f"{prefix}transformer")
    return {"name": transformer.model, **told, "state": state}


def _read_encoder(
    told: dict[str, Any], prefix: str, tensors: Tensors, device: torch.device
) -> FrozenEncoder:
    """Build an encoder with its weights."""
    mean, transformer = read(told["mean"], tensors), read(told["transformer"], tensors)
    if mean.dtype != np.float32 or mean.ndim != 1:
        raise ValueError(f"{prefix}mean is no row of float32")
    if transformer is not None:
        transformer.set_params(device=str(device))
        transformer.set_state(told["state"], _take(tensors, f"{prefix}state."))
        if transformer.encoder_.feature_dim != len(mean):
            raise ValueError(f"{prefix}mean has another length than the features")
    weight = float(told["weight"])
    return FrozenEncoder(str(told["name"]), transformer, mean, weight)


def _write_assigner(model: ClusteringModel, writer: Writer) -> dict[str, Any]:
    """Write what assigns embeddings."""
    assigner, head = model.assigner, model.network.cluster_heads[0]
    if isinstance(assigner, EstimatorAssigner):
        inner = assigner.estimator
        if type(inner) not in _FITTED:
            raise refusal("assignment", inner)
        fitted = {
            name: writer.write(getattr(inner, name), f"assigner.{name}")
            for name in _FITTED[type(inner)]
        }
        return {"kind": "estimator", "n_outputs": assigner.n_outputs, "fitted": fitted}
    writer.write_state(assigner.state_dict(), "assigner.")
    kinds = {type(head): "head", MixtureAssigner: "mixture", CenterHead: "centers"}
    return {"kind": kinds[type(assigner)]}


def _read_assigner(
    told: dict[str, Any],
    tensors: Tensors,
    estimator: BaseImageClusterer,
    network: ClusteringNetwork,
) -> nn.Module:
    """Build what assigns embeddings, with what it has learned."""
    kind, embed_dim = told["kind"], network.backbone.embed_dim
    if kind == "estimator":
        assigner = EstimatorAssigner(estimator.assignment)
        _fill_estimator(assigner, told, tensors, embed_dim)
        return assigner
    module = {
        "head": lambda: deepcopy(network.cluster_heads[0]),
        "mixture": lambda: MixtureAssigner(embed_dim, estimator.n_clusters_),
        "centers": lambda: CenterHead(embed_dim, estimator.n_clusters_),
    }[kind]()
    module.load_state_dict(_take(tensors, "assigner."))
    return module.requires_grad_(False)


def _fill_estimator(
    assigner: EstimatorAssigner, told: dict[str, Any], tensors: Tensors, embed_dim: int
) -> None:
    """Give an estimator of scikit-learn what it has learned, and try it."""
    inner = assigner.estimator
    names = _FITTED[type(inner)]
    for name in names:
        setattr(inner, name, read(told["fitted"][name], tensors))
    inner.n_features_in_ = embed_dim
    if isinstance(inner, KMeans | MiniBatchKMeans):
        centers, shape = inner.cluster_centers_, (inner.n_clusters, embed_dim)
        # Compiled code reads them without checks.
        if centers.dtype != np.float32 or centers.shape != shape:
            raise ValueError("assigner.cluster_centers_ has another type or shape")
        inner._n_threads = _openmp_effective_n_threads()
    most = len(getattr(inner, names[0]))
    assigner.n_outputs = range(most + 1)[told["n_outputs"]]
    assigner(torch.zeros(2, embed_dim))
