"""ContrastiveClustering: contrast of images and of clusters on a ResNet."""

from typing import Any, ClassVar, Literal

from sklearn_mfavb.backbones import Backbone, TimmBackbone
from sklearn_mfavb.estimators._contrastive_base import BaseContrastiveClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.heads import (
    ClusterHeads,
    InstanceHead,
    two_layer_cluster_head,
    two_layer_instance_head,
)


@estimator
class ContrastiveClustering(BaseContrastiveClusterer):
    """Cluster images with a ResNet and contrastive learning (CC).

    Rows of a batch are contrasted between two views (which image is which), and so are
    the columns of the assignments (which cluster is which) [1]_. This is a
    reimplementation from the description of the method.

    Parameters
    ----------
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        What an image must agree with: an augmentation of itself, or of one of its
        nearest neighbours. ``"auto"``: neighbours with `clip`, and for grey images and
        strips; else augmentations, as in the paper. With `clip` the feature gives
        augmentations of one image away.
    n_cluster_heads : int, default=1
        Cluster heads that shape the embedding together.
    assignment : {"auto", "mixture", "kmeans", "head"}, default="auto"
        What labels an embedding. ``"head"``: the cluster head, as in the paper.
        ``"mixture"``: a Gaussian mixture of balanced parts, fitted when training is
        over. ``"kmeans"``: centers of k-means, fitted then. ``"auto"``: the mixture
        with `clip`, else the head.

    See Also
    --------
    VTCCClustering : The same losses on a vision transformer.
    MFAVBClustering : Fuses the two views in several blocks.

    Notes
    -----
    The network is a ResNet-34 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels; with the usual stem such images give garbage (issue
    47 of the released code). ``backbone="resnet18"`` costs half.

    ``ContrastiveClustering(n_clusters, **ContrastiveClustering.REFERENCE)`` is the
    setting of the released code for ImageNet subsets: 224 pixels, 1000 epochs of Adam
    at a constant rate. Departures: the pixels are standardised, both views pass in one
    batch, and batches are of nearly equal size where the code drops the last one.

    References
    ----------
    .. [1] Li et al., "Contrastive Clustering", AAAI 2021, arXiv:2009.09687.

    Examples
    --------
    >>> from sklearn_mfavb import ContrastiveClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = ContrastiveClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "image_size": 224,
        "augmentation": "cc",
        "batch_size": 256,
        "max_epochs": 1000,
        "learning_rate": 3e-4,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0.0,
        "random_state": 42,
        "positives": "augmentation",
        "assignment": "head",
    }

    positives: Literal["auto", "augmentation", "neighbors"] = "auto"
    n_cluster_heads: int = 1
    assignment: Literal["auto", "mixture", "kmeans", "head"] = "auto"

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build a ResNet-34."""
        return TimmBackbone(
            "resnet34",
            image_size=size,
            n_channels=n_channels,
            feature_dim=feature_dim,
            image_tokens=self._sees_images,
        )

    def _make_heads(self, embed_dim: int) -> tuple[InstanceHead, ClusterHeads]:
        """Build two layers without batch normalisation."""
        return two_layer_instance_head(embed_dim), ClusterHeads(
            embed_dim, self.n_clusters, self.n_cluster_heads, two_layer_cluster_head
        )
