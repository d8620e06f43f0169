"""AnchorClustering: instance contrast, learnable centers and an anchor."""

from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast

import torch
from sklearn.cluster import KMeans
from sklearn.utils._param_validation import Interval, Options, StrOptions

from sklearn_mfavb.backbones import Backbone, TimmBackbone
from sklearn_mfavb.contrast import CleanAndAugmented, SeparateViews
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
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import AnchorObjective, InstanceObjective

_WEIGHT = [Interval(Real, 0, None, closed="left")]


@estimator
class AnchorClustering(BaseImageClusterer):
    """Cluster images by learnable centers that clean images anchor.

    Three losses are added: views are told from other images by contrast; a clean
    image sharpens its own assignment to the centers, by Student's t as in DEC; and the
    assignments of its views follow that of the clean image, the anchor [1]_. This is a
    reimplementation from the description of the method, without the faults of its
    released code.

    Parameters
    ----------
    pretrain_epochs : int or "auto", default="auto"
        Passes over the images by the contrast alone, before k-means sets the centers.
        0 sets them in the random network, as the released code does. ``"auto"``: half
        of `max_epochs`. A fit that continues another (`warm_start`) leaves this out.
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    instance_weight : float, default=1.0
        Weight of the contrast.
    dec_weight : float, default=1.0
        Weight of the sharpening of clean images.
    anchor_weight : float, default=1.0
        Weight of the agreement of views with the clean image.
    balance_weight : float, default=1.0
        How much the clusters of ``assignment="mixture"`` are of equal sizes, up to 1.
    positives : {"augmentation"}, default="augmentation"
        The method has no other, so the parameters of neighbours have no effect.
    n_cluster_heads : {1}, default=1
        There is one set of centers.
    assignment : {"mixture", "kmeans", "head"}, default="head"
        What labels an embedding. ``"head"``: the learned centers (the paper's "model").
        ``"kmeans"``: k-means on the embeddings when training is over (the paper's
        "representation"). ``"mixture"``: a Gaussian mixture of balanced parts.

    See Also
    --------
    ContrastiveClustering : Contrast of clusters in place of centers.

    Notes
    -----
    The network is a ResNet-34 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. Nothing but DEC's target keeps clusters balanced.

    References
    ----------
    .. [1] Sundareswaran et al., "Cluster Analysis with Deep Embeddings and Contrastive
       Learning", 2021, arXiv:2109.12714.

    Examples
    --------
    >>> from sklearn_mfavb import AnchorClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = AnchorClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "image_size": 224,
        "augmentation": "cc",
        "pretrain_epochs": 0,
        "batch_size": 128,
        "max_epochs": 2000,
        "learning_rate": 3e-4,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0.0,
        "random_state": 42,
    }

    _holds_clean_images = True
    _against_collapse = ""

    pretrain_epochs: int | Literal["auto"] = "auto"
    instance_temperature: float = 0.5
    instance_weight: float = 1.0
    dec_weight: float = 1.0
    anchor_weight: float = 1.0
    positives: Literal["augmentation"] = "augmentation"
    n_cluster_heads: int = 1
    assignment: Literal["mixture", "kmeans", "head"] = "head"

    _parameter_constraints: ClassVar[dict] = {
        **BaseImageClusterer._parameter_constraints,
        "pretrain_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 0, None, closed="left"),
        ],
        "instance_temperature": [Interval(Real, 0, None, closed="neither")],
        "instance_weight": _WEIGHT,
        "dec_weight": _WEIGHT,
        "anchor_weight": _WEIGHT,
        "positives": [StrOptions({"augmentation"})],
        "n_cluster_heads": [Options(Integral, {1})],
    }

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
        """Build a projection of two layers, and centers."""
        return two_layer_instance_head(embed_dim), ClusterHeads(
            embed_dim, self.n_clusters, self.n_cluster_heads, CenterHead
        )

    def _count_epochs(self, dataset: ImageDataset) -> tuple[int, int]:
        """Pretraining, unless the network has learned before, and clustering."""
        n_epochs = self._resolve_epochs(self.max_epochs, dataset)
        if self._continues():
            return 0, n_epochs
        pretrain = self.pretrain_epochs
        return n_epochs // 2 if pretrain == "auto" else pretrain, n_epochs

    def _continues(self) -> bool:
        """Say whether the network of the last fit is trained on."""
        return self.warm_start and hasattr(self, "net_")

    def _stages(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> Iterator[Stage]:
        """Contrast alone; then, from the centers of k-means, all three losses."""
        views = self._make_augmentations(dataset)
        pretrain, n_epochs = self._count_epochs(dataset)
        place_centers = partial(self._place_centers, network, dataset)
        if not (pretrain or self._continues()):
            place_centers()
        if pretrain:
            yield Stage(
                InstanceObjective(self.instance_temperature),
                SeparateViews(*views),
                pretrain,
                name="pretraining",
                finish=place_centers,
            )
        objective = AnchorObjective(
            instance_temperature=self.instance_temperature,
            instance_weight=self.instance_weight,
            dec_weight=self.dec_weight,
            anchor_weight=self.anchor_weight,
        )
        contrast = CleanAndAugmented(*views)
        yield Stage(objective, contrast, n_epochs, name="clustering")

    def _place_centers(self, network: ClusteringNetwork, dataset: ImageDataset) -> None:
        """Set the centers by k-means on the embeddings of the clean images."""
        embedding = self._embed(network.eval().embed, dataset)
        # torch's generator is the seeded one here.
        seed = int(torch.randint(2**31 - 1, ()))
        kmeans = KMeans(self.n_clusters, n_init=10, random_state=seed).fit(embedding)
        head = cast(CenterHead, network.cluster_heads[0])
        head.set_centers(torch.from_numpy(kmeans.cluster_centers_))
