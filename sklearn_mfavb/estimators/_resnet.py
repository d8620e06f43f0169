"""The network of the methods that stand on a ResNet."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from torch import nn

from sklearn_mfavb.backbones import Backbone, TimmBackbone, build_backbone
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
    make_of_features: Callable[[tuple[int, ...]], Backbone] | None = None,
) -> ClusteringNetwork:
    """Build the backbone that was asked for, or a network of timm by name, with heads.

    Heads are made from the width of the embedding, and the number of clusters; the
    method's own backbone, where there are no pixels, from the widths of the features.
    """
    default: Callable[[], Backbone] = partial(TimmBackbone, name, **asdict(shape))
    if make_of_features is not None and shape.image_size is None:
        default = partial(make_of_features, shape.feature_dims)
    built = build_backbone(backbone, shape, default)
    return ClusteringNetwork(
        built,
        make_instance_head(built.embed_dim),
        ClusterHeads(built.embed_dim, n_clusters, n_cluster_heads, make_cluster_head),
        n_channels=shape.n_channels,
    )
