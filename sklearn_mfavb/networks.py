"""A backbone with its two heads: images in, cluster probabilities out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.heads import ClusterHead, InstanceHead


class ViewOutput(NamedTuple):
    """What the network says about one view of every image of a batch.

    Attributes
    ----------
    embedding : torch.Tensor of shape (batch_size, embed_dim)
        Output of the backbone.
    projection : torch.Tensor of shape (batch_size, projection_dim)
        Unit vectors of the instance head.
    assignment : torch.Tensor of shape (batch_size, n_clusters)
        Probabilities of the cluster head; rows sum to one.
    """

    embedding: Tensor
    projection: Tensor
    assignment: Tensor

    def halves(self) -> tuple["ViewOutput", "ViewOutput"]:
        """Split a batch that stacks two batches of one size."""
        first, second = zip(*(part.chunk(2) for part in self), strict=True)
        return ViewOutput(*first), ViewOutput(*second)


def unit_pixels(images: Tensor) -> Tensor:
    """Bring 8-bit images to floats in [0, 1]; floats pass unchanged."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


class ClusteringNetwork(nn.Module):
    """Backbone, instance head and cluster head.

    Parameters
    ----------
    backbone : Backbone
        From normalised images to embeddings.
    instance_head : InstanceHead
        From embeddings to unit vectors.
    cluster_head : ClusterHead
        From embeddings to probabilities.
    pixel_mean, pixel_std : torch.Tensor of shape (n_channels,)
        Statistics of the training images in [0, 1]; views are normalised by them.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        instance_head: InstanceHead,
        cluster_head: ClusterHead,
        *,
        pixel_mean: Tensor,
        pixel_std: Tensor,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.instance_head = instance_head
        self.cluster_head = cluster_head
        self.register_buffer("pixel_mean", pixel_mean.reshape(-1, 1, 1))
        self.register_buffer("pixel_std", pixel_std.reshape(-1, 1, 1))

    def normalize(self, images: Tensor) -> Tensor:
        """Standardise images in [0, 1] by the statistics of the training images."""
        return (images - self.pixel_mean) / self.pixel_std

    def embed(self, images: Tensor) -> Tensor:
        """Embed clean images.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            uint8, or floats in [0, 1].

        Returns
        -------
        torch.Tensor of shape (batch_size, embed_dim)
        """
        return self.backbone(self.normalize(unit_pixels(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Assign clean images to clusters by the single-view path.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            uint8, or floats in [0, 1].

        Returns
        -------
        torch.Tensor of shape (batch_size, n_clusters)
        """
        return self.cluster_head(self.embed(images))

    def forward_pair(
        self, first: Tensor, second: Tensor
    ) -> tuple[ViewOutput, ViewOutput]:
        """Embed a pair of views together, project and assign each.

        Both views pass the heads in one batch, so that batch normalisation sees twice
        the images and a batch of one image still has two rows.

        Parameters
        ----------
        first, second : torch.Tensor of shape (batch_size, n_channels, height, width)
            Views in [0, 1]; row i of both belongs together.

        Returns
        -------
        tuple of two ViewOutput
        """
        embedding = torch.cat(
            self.backbone.forward_pair(self.normalize(first), self.normalize(second))
        )
        both = ViewOutput(
            embedding, self.instance_head(embedding), self.cluster_head(embedding)
        )
        return both.halves()
