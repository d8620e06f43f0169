"""A backbone with its two heads: images in, cluster probabilities out."""

from copy import deepcopy
from typing import Any, NamedTuple, Self

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

    def split(self, n_batches: int = 2) -> tuple["ViewOutput", ...]:
        """Split the output of several stacked batches of one size."""
        parts = (part.chunk(n_batches) for part in self)
        return tuple(ViewOutput(*batch) for batch in zip(*parts, strict=True))


class ClusteringNetwork(nn.Module):
    """Backbone, instance head and cluster heads.

    Views that pass it have images in [0, 1], or bytes.

    Parameters
    ----------
    backbone : Backbone
        From views with normalized images to embeddings.
    instance_head : InstanceHead
        From embeddings to unit vectors.
    cluster_heads : ClusterHeads
        From embeddings to probabilities.
    n_channels : int, default=0
        Channels of the images, whose statistics `standardize_by` sets; 0 without
        pixels.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        instance_head: InstanceHead,
        cluster_heads: ClusterHeads,
        n_channels: int = 0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.instance_head = instance_head
        self.cluster_heads = cluster_heads
        self.register_buffer("pixel_mean", torch.zeros(n_channels, 1, 1))
        self.register_buffer("pixel_std", torch.ones(n_channels, 1, 1))

    def standardize_by(self, pixels: Tensor) -> None:
        """Take mean and standard deviation of every channel from a sample of images.

        They have shape (n_samples, n_channels, height, width) and are in [0, 1].
        """
        std, mean = torch.std_mean(pixels, dim=(0, 2, 3), keepdim=True, correction=0)
        self.pixel_mean.copy_(mean[0])
        self.pixel_std.copy_(std[0].clamp_min(0.01))  # constant images stay finite

    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen parts stay in evaluation, or their statistics drift."""
        super().train(mode)
        # In prediction the walk took 3 of 17 ms for 16 images of 32 pixels.
        for part in self.modules() if mode else ():
            trainable = [parameter.requires_grad for parameter in part.parameters()]
            if part is not self and trainable and not any(trainable):
                part.eval()
        return self

    def normalize(self, view: View) -> View:
        """Standardize the images of a view by the statistics of the training images."""
        if view.images is None:
            return view
        images = (unit_pixels(view.images) - self.pixel_mean) / self.pixel_std
        return view._replace(images=images)

    def embed(self, view: View) -> Tensor:
        """Embed views that are no pairs, (batch_size, embed_dim)."""
        return self.backbone(self.normalize(view))

    def forward(self, view: View) -> Tensor:
        """Assign views with every head, (batch_size, n_cluster_heads, n_clusters)."""
        return self.cluster_heads(self.embed(view))

    def forward_views(
        self, first: View, second: View | None = None
    ) -> tuple[ViewOutput, ...]:
        """Embed views in training, project and assign each.

        Two views are a pair, row i of one with row i of the other, which a fusing
        backbone lets see each other; one view passes alone. Both pass the heads in one
        batch, so that batch normalization sees twice the images and a batch of one
        image still has two rows.
        """
        if second is None:
            return (self.apply_heads(self.backbone(self.normalize(first))),)
        pair = self.normalize(first), self.normalize(second)
        return self.apply_heads(torch.cat(self.backbone.forward_pair(*pair))).split()

    def apply_heads(self, embedding: Tensor) -> ViewOutput:
        """Pass embeddings, of shape (batch_size, embed_dim), through all heads."""
        return ViewOutput(
            embedding, self.instance_head(embedding), self.cluster_heads(embedding)
        )


class MomentumNetwork(ClusteringNetwork):
    """Network with a slowly following copy, which makes the keys (MoCo).

    The first view of a pair passes the network itself, the query; the second passes the
    copy, without gradient (arXiv 1911.05722, section 3.2). In training the copy
    normalizes by the batch too, as the query does: with running statistics a query
    could not find its own key, and the contrast stayed at chance.

    Parameters
    ----------
    *args, **kwargs
        As for `ClusteringNetwork`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key_backbone = deepcopy(self.backbone).requires_grad_(False)
        self.key_head = deepcopy(self.instance_head).requires_grad_(False)

    def forward_views(
        self, first: View, second: View | None = None
    ) -> tuple[ViewOutput, ...]:
        """Pass the first view as query and the second as key."""
        if second is None:
            return super().forward_views(first)
        # Batch normalization needs two rows, even if they are the same.
        is_single = first.n_rows == 1
        (query,) = super().forward_views(first.stack(first) if is_single else first)
        key = self._make_keys(second.stack(second) if is_single else second)
        return (query.split()[0], key.split()[0]) if is_single else (query, key)

    @torch.no_grad()
    def _make_keys(self, view: View) -> ViewOutput:
        """Pass a view through the copy, in the mode of the network."""
        for part in (self.key_backbone, self.key_head):
            if part.training != self.training:  # frozen parts are put in evaluation
                part.train(self.training)
        embedding = self.key_backbone(self.normalize(view))
        assignment = self.cluster_heads(embedding)
        return ViewOutput(embedding, self.key_head(embedding), assignment)

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the copy towards the network: key = m key + (1 - m) query.

        m is the momentum; statistics of normalizations are the copy's own.
        """
        for query, key in (
            (self.backbone, self.key_backbone),
            (self.instance_head, self.key_head),
        ):
            for weight, followed in zip(
                key.parameters(), query.parameters(), strict=True
            ):
                weight.lerp_(followed, 1 - momentum)
