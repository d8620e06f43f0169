"""A backbone with its two heads: images in, cluster probabilities out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.views import View, unit_pixels


class ViewOutput(NamedTuple):
    """What the network says about one view of every image of a batch.

    Attributes
    ----------
    embedding : torch.Tensor of shape (batch_size, embed_dim)
        Output of the backbone.
    projection : torch.Tensor of shape (batch_size, projection_dim)
        Unit vectors of the instance head.
    assignment : torch.Tensor of shape (batch_size, n_cluster_heads, n_clusters)
        Probabilities of the cluster heads; rows sum to one.
    """

    embedding: Tensor
    projection: Tensor
    assignment: Tensor

    def halves(self) -> tuple["ViewOutput", "ViewOutput"]:
        """Split a batch that stacks two batches of one size."""
        first, second = zip(*(part.chunk(2) for part in self), strict=True)
        return ViewOutput(*first), ViewOutput(*second)


class ClusteringNetwork(nn.Module):
    """Backbone, instance head and cluster heads.

    Parameters
    ----------
    backbone : Backbone
        From views with normalised images to embeddings.
    instance_head : InstanceHead
        From embeddings to unit vectors.
    cluster_heads : ClusterHeads
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
        cluster_heads: ClusterHeads,
        *,
        pixel_mean: Tensor,
        pixel_std: Tensor,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.instance_head = instance_head
        self.cluster_heads = cluster_heads
        self.register_buffer("pixel_mean", pixel_mean.reshape(-1, 1, 1))
        self.register_buffer("pixel_std", pixel_std.reshape(-1, 1, 1))

    def normalize(self, view: View) -> View:
        """Standardise the images of a view by the statistics of the training images.

        Parameters
        ----------
        view : View
            Its images are uint8, or floats in [0, 1].

        Returns
        -------
        View
        """
        if view.images is None:
            return view
        images = (unit_pixels(view.images) - self.pixel_mean) / self.pixel_std
        return view._replace(images=images)

    def embed(self, view: View) -> Tensor:
        """Embed clean images by the single-view path.

        Parameters
        ----------
        view : View
            Its images are uint8, or floats in [0, 1].

        Returns
        -------
        torch.Tensor of shape (batch_size, embed_dim)
        """
        return self.backbone(self.normalize(view))

    def forward(self, view: View) -> Tensor:
        """Assign clean images to clusters by the single-view path, with every head.

        Parameters
        ----------
        view : View
            Its images are uint8, or floats in [0, 1].

        Returns
        -------
        torch.Tensor of shape (batch_size, n_cluster_heads, n_clusters)
        """
        return self.cluster_heads(self.embed(view))

    def forward_pair(self, first: View, second: View) -> tuple[ViewOutput, ViewOutput]:
        """Embed a pair of views together, project and assign each.

        Both views pass the heads in one batch, so that batch normalisation sees twice
        the images and a batch of one image still has two rows.

        Parameters
        ----------
        first, second : View
            Row i of both belongs together; images are in [0, 1].

        Returns
        -------
        tuple of two ViewOutput
        """
        embedding = torch.cat(
            self.backbone.forward_pair(self.normalize(first), self.normalize(second))
        )
        both = ViewOutput(
            embedding, self.instance_head(embedding), self.cluster_heads(embedding)
        )
        return both.halves()
