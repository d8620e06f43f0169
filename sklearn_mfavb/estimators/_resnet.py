"""The network of the methods that stand on a ResNet."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from torch import nn

from sklearn_mfavb.backbones import TimmBackbone, build_backbone
from sklearn_mfavb.heads import ClusterHeads, InstanceHead, two_layer_instance_head
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.views import ViewShape


def residual_network(
    backbone: Any,
    name: str,
    shape: ViewShape,
    n_clusters: int,
    make_cluster_head: Callable[[int, int], nn.Module],
    *,
    n_cluster_heads: int = 1,
    make_instance_head: Callable[[int], InstanceHead] = two_layer_instance_head,
) -> ClusteringNetwork:
    """Build the backbone that was asked for, or a network of timm by name, with heads.

    Heads are made from the width of the embedding, and the number of clusters.
    """
    built = build_backbone(
        backbone, shape, partial(TimmBackbone, name, **asdict(shape))
    )
    return ClusteringNetwork(
        built,
        make_instance_head(built.embed_dim),
        ClusterHeads(built.embed_dim, n_clusters, n_cluster_heads, make_cluster_head),
        n_channels=shape.n_channels,
    )
