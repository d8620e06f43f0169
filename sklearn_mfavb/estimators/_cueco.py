"""CueCoClustering: momentum contrast with compact clusters."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar, Literal

from sklearn.utils._param_validation import Interval, Options, StrOptions

from sklearn_mfavb.backbones import Backbone, TimmBackbone
from sklearn_mfavb.contrast import WithinPair
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._training import Stage
from sklearn_mfavb.heads import (
    CenterHead,
    ClusterHeads,
    InstanceHead,
    two_layer_instance_head,
)
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork, MomentumNetwork
from sklearn_mfavb.objectives import CueCoObjective
from sklearn_mfavb.training import FollowQuery

_COUNT = Interval(Integral, 1, None, closed="left")
_PROJECTION_DIM = 128
_PASSES_KEPT = 4  # the queue holds at most this part of the images, inverse
_WARMUP_SHARE = 0.1  # of all steps, before the centroids draw


@estimator
class CueCoClustering(BaseImageClusterer):
    """Cluster images by momentum contrast with compact clusters (after CueCo).

    A query network is told its own key, made by a slowly following copy of it, from a
    queue of past keys; and it is drawn to the centroid nearest to that key, of k-means
    on the queue.

    This is a reconstruction from the abstract of [1]_, whose section on the method is
    not available to us: call results "CueCo-style". Constants are those of momentum
    contrast [2]_. The paper is judged by a linear layer with labels, not by clusters.

    Parameters
    ----------
    queue_size : int, default=4096
        Past keys; at most a quarter of the images, so that few images meet their own
        last key among those that they are told from.
    momentum : float, default=0.99
        Part of the key network that stays in every step.
    temperature : float, default=0.2
        Temperature of the contrast.
    compactness_weight : float, default=1.0
        Weight of the drawing to centroids, once fully on.
    n_centroids : int or "auto", default="auto"
        Clusters of the queue, at most half as many as it holds keys. ``"auto"``: twice
        `n_clusters`.
    centroid_refresh : int, default=20
        Steps between two rounds of k-means on the queue.
    balance_weight : float, default=1.0
        How much the clusters of ``assignment="mixture"`` are of equal sizes, up to 1.
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        Whose view the key is of: the image's, or one of its nearest neighbors'.
        ``"auto"``: neighbors with `clip`, and for grayscale images and strips; else the
        image's own.
    n_cluster_heads : {1}, default=1
        The method has no cluster head that learns.
    assignment : {"mixture", "kmeans"}, default="mixture"
        What labels an embedding, fitted when training is over. ``"mixture"``: a
        Gaussian mixture of balanced parts, on the sphere as the contrast is.
        ``"kmeans"``: centers of k-means; probabilities fall with the distance by
        Student's t.

    See Also
    --------
    AnchorClustering : Learnable centers in place of k-means.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. As in momentum contrast the key network normalizes by
    the batch, as the query network does; prediction is by the query network.

    References
    ----------
    .. [1] "CueCo: Cluster Contrast for Unsupervised Visual Representation Learning",
       ICIP 2025, arXiv:2507.12359.
    .. [2] He et al., "Momentum Contrast for Unsupervised Visual Representation
       Learning", CVPR 2020, arXiv:1911.05722.

    Examples
    --------
    >>> from sklearn_mfavb import CueCoClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = CueCoClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    _network_class = MomentumNetwork
    _against_collapse = ""

    queue_size: int = 4096
    momentum: float = 0.99
    temperature: float = 0.2
    compactness_weight: float = 1.0
    n_centroids: int | Literal["auto"] = "auto"
    centroid_refresh: int = 20
    positives: Literal["auto", "augmentation", "neighbors"] = "auto"
    n_cluster_heads: int = 1
    assignment: Literal["mixture", "kmeans"] = "mixture"

    _parameter_constraints: ClassVar[dict] = {
        **BaseImageClusterer._parameter_constraints,
        "queue_size": [_COUNT],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "compactness_weight": [Interval(Real, 0, None, closed="left")],
        "n_centroids": [StrOptions({"auto"}), _COUNT],
        "centroid_refresh": [_COUNT],
        "n_cluster_heads": [Options(Integral, {1})],
        "assignment": [StrOptions({"mixture", "kmeans"})],
    }

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build a ResNet-18."""
        return TimmBackbone(
            "resnet18",
            image_size=size,
            n_channels=n_channels,
            feature_dim=feature_dim,
            image_tokens=self._sees_images,
        )

    def _make_heads(self, embed_dim: int) -> tuple[InstanceHead, ClusterHeads]:
        """Build a projection of two layers; the centers only fill their place."""
        heads = ClusterHeads(embed_dim, self.n_clusters, 1, CenterHead)
        head = two_layer_instance_head(embed_dim, _PROJECTION_DIM)
        return head, heads.requires_grad_(False)

    def _stages(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> Iterator[Stage]:
        """Scatter and align, in one stage."""
        (n_epochs,) = self._count_epochs(dataset)
        n_steps = n_epochs * self._count_steps(dataset)
        queue_size = min(self.queue_size, max(1, len(dataset) // _PASSES_KEPT))
        n_centroids = self.n_centroids
        if n_centroids == "auto":
            n_centroids = 2 * self.n_clusters
        objective = CueCoObjective(
            n_centroids=max(1, min(n_centroids, queue_size // 2)),
            queue_size=queue_size,
            projection_dim=_PROJECTION_DIM,
            temperature=self.temperature,
            compactness_weight=self.compactness_weight,
            n_warmup_steps=round(_WARMUP_SHARE * n_steps),
            refresh=self.centroid_refresh,
        )
        contrast = WithinPair(*self._make_augmentations(dataset))
        callbacks = (
            *self._arrange_positives(dataset),
            ("follow", FollowQuery(self.momentum)),
        )
        yield Stage(objective, contrast, n_epochs, callbacks)
