"""The building part of every estimator: from sizes to a network that can be trained."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones import Backbone, TimmBackbone
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._inference import pixel_statistics
from sklearn_mfavb.estimators._seeking import NeighborSeeker
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork

_STATISTICS_SAMPLE = 2048  # images; the mean of each channel is then within 1 %


@estimator
class NetworkBuilder(NeighborSeeker):
    """Parameters and methods that build a network.

    A subclass writes `_make_backbone` and `_make_heads`.

    Parameters
    ----------
    backbone : str or callable, default="auto"
        Network from images to embeddings. ``"auto"``: what the method was made with,
        at a size that suits the images. Another string is the name of a network of
        timm, such as ``"resnet18"``. A callable is called with the keywords
        ``image_size`` (height, width), ``n_channels``, ``feature_dim`` (None without
        `clip`) and ``image_tokens``, and returns a
        :class:`sklearn_mfavb.backbones.Backbone`. Parameters of size and depth belong
        to ``"auto"``.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    """

    _network_class: ClassVar[type[ClusteringNetwork]] = ClusteringNetwork

    backbone: str | Callable[..., Backbone] = "auto"
    warm_start: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **NeighborSeeker._parameter_constraints,
        "backbone": [str, callable],
        "warm_start": ["boolean"],
    }

    @abstractmethod
    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build the method's own network from views to embeddings."""

    @abstractmethod
    def _make_heads(self, embed_dim: int) -> tuple[InstanceHead, ClusterHeads]:
        """Build the instance head and the cluster heads."""

    def _make_network(self, dataset: ImageDataset) -> ClusteringNetwork:
        """Build the network for images; with warm_start, take over learned weights."""
        sample = torch.randperm(len(dataset))[:_STATISTICS_SAMPLE].numpy()
        indices = dataset.indices[sample]
        network = self._build_network(
            dataset.size,
            None if dataset.features is None else dataset.features.shape[1],
            *pixel_statistics(dataset.source, dataset.size, indices),
        )
        if self.warm_start and hasattr(self, "net_"):
            try:
                network.load_state_dict(self.net_.module_.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    "warm_start=True continues the network of the last fit, but "
                    "n_clusters, the images or the network's sizes have changed: "
                    f"{error}. Set warm_start=False to start afresh."
                ) from error
        return network

    def _build_network(
        self,
        size: tuple[int, int],
        feature_dim: int | None,
        pixel_mean: Tensor,
        pixel_std: Tensor,
    ) -> ClusteringNetwork:
        """Build backbone and heads, from sizes and pixel statistics alone."""
        backbone = self._build_backbone(size, len(pixel_mean), feature_dim)
        return self._network_class(
            backbone,
            *self._make_heads(backbone.embed_dim),
            pixel_mean=pixel_mean,
            pixel_std=pixel_std,
        )

    def _build_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build the method's own network, or the one that was asked for."""
        if feature_dim is None and not self._sees_images:
            raise ValueError(
                "image_tokens=False leaves the network nothing but features, and "
                "clip=None computes none: name a model, such as clip='ViT-B-32'."
            )
        if self.backbone == "auto":
            return self._make_backbone(size, n_channels, feature_dim)
        if isinstance(self.backbone, str) and not self._sees_images:
            raise ValueError(
                f"backbone={self.backbone!r} looks at pixels, which are left out: set "
                "image_tokens=True, or backbone='auto'."
            )
        if isinstance(self.backbone, nn.Module):
            raise TypeError(
                "backbone must be a name or a function that builds a network, got the "
                f"network itself, a {type(self.backbone).__name__}."
            )
        build = (
            partial(TimmBackbone, self.backbone)
            if isinstance(self.backbone, str)
            else self.backbone
        )
        backbone = build(
            image_size=size,
            n_channels=n_channels,
            feature_dim=feature_dim,
            image_tokens=self._sees_images,
        )
        if not isinstance(backbone, Backbone):
            raise TypeError(
                "backbone must build a sklearn_mfavb.backbones.Backbone, got a "
                f"{type(backbone).__name__}."
            )
        return backbone
