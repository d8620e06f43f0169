"""The parts of a fitted estimator that are networks, as descriptions and tensors."""

import re
from typing import Any

import torch
from torch import nn

from sklearn_mfavb.features import Architecture, Encoder, Preprocessing, rebuild_encoder
from sklearn_mfavb.heads import CenterHead, ClusterHeads
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.persistence._file import Tensors
from sklearn_mfavb.persistence._modules import fill, gather
from sklearn_mfavb.readout import MixtureReadout

READOUT, ENCODER = "readout.", "encoder."

_MOST_VALUES = 2**24  # pixels times channels of an image; 4096 x 4096 in grey
_FINGERPRINT = re.compile("[0-9a-f]{32}")
_MIXTURE_SETTINGS = ("balance", "temperature", "shrinkage")


def check_size(size: tuple[int, int], n_channels: int) -> None:
    """Raise for sizes of images that make no sense, or would fill the memory."""
    height, width = size
    if min(height, width, n_channels) < 1 or height * width * n_channels > _MOST_VALUES:
        raise ValueError(
            f"images of {height} x {width} pixels with {n_channels} channels are not "
            f"of 1 to {_MOST_VALUES:,} values"
        )


def describe_readout(
    readout: nn.Module, heads: ClusterHeads
) -> tuple[dict[str, Any], Tensors]:
    """Describe what labels embeddings: a head of the network, or a module apart."""
    for index, head in enumerate(heads):
        if type(head) is type(readout) and _have_one_state(head, readout):
            return {"kind": "head", "index": index}, {}
    tensors = gather(readout, READOUT)
    if type(readout) is MixtureReadout:
        settings = {name: getattr(readout, name) for name in _MIXTURE_SETTINGS}
        return {"kind": "mixture", **settings}, tensors
    if type(readout) is CenterHead:
        return {"kind": "centers"}, tensors
    raise TypeError(f"readout_ is a {type(readout).__name__}")


def build_readout(
    told: dict[str, Any], network: ClusteringNetwork, n_clusters: int, tensors: Tensors
) -> nn.Module:
    """Build what labels embeddings, with what it has learned."""
    embed_dim = network.backbone.embed_dim
    readout: nn.Module
    match told:
        case {"kind": "head", "index": int(index)} if index >= 0:
            return network.cluster_heads[index]
        case {"kind": "mixture", **settings}:
            readout = MixtureReadout(embed_dim, n_clusters, **settings)
        case {"kind": "centers"}:
            readout = CenterHead(embed_dim, n_clusters).requires_grad_(False)
        case _:
            raise ValueError(f"{told!r} describes no readout")
    fill(readout, tensors, READOUT)
    return readout


def describe_encoder(encoder: Encoder) -> tuple[dict[str, Any], Tensors]:
    """Describe a frozen encoder."""
    if encoder.architecture is None:
        raise TypeError("clip_encoder_ was not built by name, and cannot be again")
    told = {
        "architecture": encoder.architecture,
        "preprocessing": encoder.preprocessing,
        "fingerprint": encoder.fingerprint,
    }
    return told, gather(encoder, ENCODER)


def build_encoder(told: dict[str, Any], tensors: Tensors) -> Encoder:
    """Build a frozen encoder with its weights; nothing is downloaded."""
    architecture, preprocessing = told["architecture"], told["preprocessing"]
    if not (
        isinstance(architecture, Architecture)
        and isinstance(preprocessing, Preprocessing)
        # It becomes the name of a folder where features are kept.
        and _FINGERPRINT.fullmatch(told["fingerprint"])
    ):
        raise ValueError("the encoder's description is none")
    for size in (preprocessing.size, preprocessing.resized):
        check_size(size, n_channels=3)
    encoder = rebuild_encoder(architecture, preprocessing, told["fingerprint"])
    fill(encoder, tensors, ENCODER)
    return encoder


def _have_one_state(first: nn.Module, second: nn.Module) -> bool:
    """Say whether two modules of one class are equal; a pickle makes copies of one."""
    mine, its = first.state_dict(), second.state_dict()
    return mine.keys() == its.keys() and all(
        torch.equal(tensor.cpu(), its[name].cpu()) for name, tensor in mine.items()
    )
