"""SCANClustering: neighbours share a cluster, then confidence teaches."""

from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.backbones import Backbone, FeatureBackbone, TimmBackbone
from sklearn_mfavb.contrast import CleanAndAugmented, SeparateViews
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._positives import feature_neighbors, limit_neighbors
from sklearn_mfavb.estimators._readout import choose_head
from sklearn_mfavb.estimators._training import Stage
from sklearn_mfavb.heads import (
    ClusterHead,
    ClusterHeads,
    InstanceHead,
    linear_cluster_head,
    start_at_centers,
    two_layer_instance_head,
)
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.losses import SCANLoss
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import (
    InstanceObjective,
    SCANObjective,
    SelfLabelObjective,
)
from sklearn_mfavb.training import resolve_device

_EPOCHS = [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")]

# Of the authors. At 1e-3 confidence overwrites what the clustering has learned: 1,000
# digits (resnet10t, 20 epochs) fell from 0.918 ACC to 0.741, and to 0.911 at this rate.
_MOST_SELF_LABEL_RATE = 1e-4
# Heads start at k-means, as softly as this part of the squared distances to its centers
# makes them. From random weights SCAN's loss ends higher: on 1,000 USPS images -2.08 in
# place of -2.10, and 0.76 ACC in place of 0.80; on features 60 steps were too few.
_START_VARIANCE = 0.3


@estimator
class SCANClustering(BaseImageClusterer):
    """Cluster images by their nearest neighbours, in three steps (SCAN).

    1. Pretext: a ResNet learns to tell images apart.
    2. Clustering: an image and one of its nearest neighbours by what was learned get
       the same cluster, and all clusters are used; several heads, each from a run of
       k-means, are trained, and the one of lowest loss is kept.
    3. Self-labelling: images of which that head is sure teach their augmentations, at
       a learning rate of at most 1e-4.

    With features of a pretrained encoder (`clip`) the first step is skipped, and where
    pixels are not looked at the heads stand on the features [1]_. This is a
    reimplementation from the description of the method.

    Parameters
    ----------
    pretext_epochs : int or "auto", default="auto"
        Passes over the images of the first step. ``"auto"``: as `max_epochs`, or 0 with
        `clip`.
    self_label_epochs : int or "auto", default="auto"
        Passes over the images of the third step. ``"auto"``: half of `max_epochs`; 0
        where pixels are not looked at, as there is no augmentation to learn from.
    pretext_temperature : float, default=0.5
        Temperature of the contrast in the first step. The authors' 0.1 weighs the
        nearest images most, and few images are near only to their own kind.
    entropy_weight : float, default=5.0
        Weight of the term that keeps clusters in use. Lower it if the true clusters are
        of very different sizes; raise it if clusters stay empty.
    balance_weight : float, default=1.0
        How much the clusters of ``assignment="mixture"`` are of equal sizes, up to 1.
    self_label_threshold : float, default=0.99
        Probability above which a label counts in the third step.
    positives : {"neighbors"}, default="neighbors"
        SCAN has no other.
    neighbor_space : {"auto", "clip", "embedding"}, default="auto"
        Where neighbours are sought: by the angle between features, or between the
        embeddings that the first step learned. ``"auto"``: features if there are any.
    n_neighbors : int, default=20
        Neighbours of each image; at most half of ``n_samples / n_clusters`` are used.
        An image counts as one of its own neighbours, beside them.
    neighbor_refresh : int, default=5
        Not used: neighbours are sought once.
    n_cluster_heads : int, default=10
        Linear heads, of which the one of lowest loss is kept.
    assignment : {"mixture", "kmeans", "head"}, default="head"
        What labels an embedding. ``"head"``: the head of lowest loss, as in the paper.
        ``"mixture"`` and ``"kmeans"``: fitted to the embeddings when training is over.
    feature_augmentation : {"auto", "none"} or callable, default="none"
        How the features of views are perturbed: ``"auto"`` drops half of the entries
        after adding noise. A callable takes and returns a float tensor of shape
        (batch_size, feature_dim), centred, with a mean square of 1 in every row.

    See Also
    --------
    MFAVBClustering : Contrast instead of agreement alone, on features or images.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. The released code differs in that the pretext loss
    looks from one view only, at a temperature of 0.1, neighbours are sought by its
    projections (here: by embeddings, where more of them share a class), heads start at
    random weights, clustering uses RandAugment with Cutout (here: the views of
    `augmentation`), and the first step is trained by SGD. ``REFERENCE`` has
    its numbers of epochs for CIFAR-10.

    References
    ----------
    .. [1] Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV 2020, arXiv:2005.12320.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb import SCANClustering
    >>> rng = np.random.default_rng(0)
    >>> features = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.normal(size=(60, 3))
    >>> images = rng.integers(256, size=(60, 8, 8), dtype=np.uint8)
    >>> clusterer = SCANClustering(3, clip="precomputed", random_state=0)
    >>> labels = clusterer.fit_predict(images, clip_features=features)
    >>> len(np.unique(labels[:20])), len(np.unique(labels))
    (1, 3)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "pretext_epochs": 500,
        "max_epochs": 50,
        "self_label_epochs": 200,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 1e-4,
        "n_cluster_heads": 1,
        "pretext_temperature": 0.1,
    }

    _holds_clean_images = True
    _against_collapse = "raise entropy_weight, "

    pretext_epochs: int | Literal["auto"] = "auto"
    self_label_epochs: int | Literal["auto"] = "auto"
    pretext_temperature: float = 0.5
    entropy_weight: float = 5.0
    self_label_threshold: float = 0.99
    positives: Literal["neighbors"] = "neighbors"
    neighbor_space: Literal["auto", "clip", "embedding"] = "auto"
    n_neighbors: int = 20
    n_cluster_heads: int = 10
    assignment: Literal["mixture", "kmeans", "head"] = "head"
    feature_augmentation: Any = "none"

    _parameter_constraints: ClassVar[dict] = {
        **BaseImageClusterer._parameter_constraints,
        "pretext_epochs": _EPOCHS,
        "self_label_epochs": _EPOCHS,
        "pretext_temperature": [Interval(Real, 0, None, closed="neither")],
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
        "self_label_threshold": [Interval(Real, 0, 1, closed="left")],
        "positives": [StrOptions({"neighbors"})],
        "neighbor_space": [StrOptions({"auto", "clip", "embedding"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build a ResNet-18, or hand on the features."""
        if feature_dim is not None and not self._sees_images:
            return FeatureBackbone(feature_dim)
        return TimmBackbone(
            "resnet18", image_size=size, n_channels=n_channels, feature_dim=feature_dim
        )

    def _make_heads(self, embed_dim: int) -> tuple[InstanceHead, ClusterHeads]:
        """Build a projection for the pretext and linear heads for the clusters."""
        return two_layer_instance_head(embed_dim), ClusterHeads(
            embed_dim, self.n_clusters, self.n_cluster_heads, linear_cluster_head
        )

    def _count_epochs(self, dataset: ImageDataset) -> tuple[int, int, int]:
        """Pretext, clustering and self-labelling."""
        n_epochs = self._resolve_epochs(self.max_epochs, dataset)
        pretext, self_label = self.pretext_epochs, self.self_label_epochs
        if pretext == "auto":
            pretext = n_epochs if self.clip is None else 0
        if self_label == "auto":
            self_label = n_epochs // 2 if self._sees_images else 0
        return pretext, n_epochs, self_label

    def _stages(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> Iterator[Stage]:
        """Pretext, clustering and self-labelling, those that last."""
        first, second = self._make_augmentations(dataset)
        pretext, n_epochs, self_label = self._count_epochs(dataset)
        if pretext:
            instance = InstanceObjective(self.pretext_temperature)
            yield Stage(instance, SeparateViews(first, second), pretext, name="pretext")
        elif not self._knows_neighbors(dataset):
            raise ValueError(
                "pretext_epochs=0 leaves nothing to find neighbours by: features "
                "(clip), a pretext, or a network that has learned (warm_start)."
            )
        neighbors = self._mine_neighbors(network, dataset)
        dataset.neighbors = neighbors
        if not self._continues():
            self._start_heads(network, dataset)
        network.cluster_heads.choose(-1)
        scan = SCANObjective(self.entropy_weight)
        yield Stage(
            scan,
            SeparateViews(first, second),
            n_epochs,
            name="clustering",
            finish=partial(self._keep_best_head, network, dataset),
        )
        if self_label:
            dataset.neighbors = None
            confident = SelfLabelObjective(self.self_label_threshold)
            contrast = CleanAndAugmented(first)
            yield Stage(
                confident,
                contrast,
                self_label,
                name="self-labelling",
                rate=min(1.0, _MOST_SELF_LABEL_RATE / self.learning_rate),
                finish=partial(setattr, dataset, "neighbors", neighbors),
            )

    def _knows_neighbors(self, dataset: ImageDataset) -> bool:
        """Say whether neighbours mean something before any training."""
        return self._continues() or self._resolve_neighbor_space(dataset) == "clip"

    def _continues(self) -> bool:
        """Say whether the network of the last fit is trained on."""
        return self.warm_start and hasattr(self, "net_")

    def _mine_neighbors(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> np.ndarray:
        """Find the neighbours of every image, itself among them."""
        wanted = limit_neighbors(self.n_neighbors, len(dataset), self.n_clusters)
        if self._resolve_neighbor_space(dataset) == "clip":
            found = feature_neighbors(dataset, wanted)
        else:
            network.eval()
            rows = self._embed(network.embed, dataset)
            found = nearest_neighbors(rows, wanted, metric="cosine")
        return np.column_stack([np.arange(len(dataset)), found])

    def _start_heads(self, network: ClusteringNetwork, dataset: ImageDataset) -> None:
        """Let each head start at a run of k-means of its own on the embeddings."""
        embedding = self._embed(network.eval().embed, dataset)
        for head in network.cluster_heads:
            seed = int(torch.randint(2**31 - 1, ()))  # the generator is seeded here
            kmeans = KMeans(self.n_clusters, n_init=1, random_state=seed).fit(embedding)
            centers = torch.from_numpy(kmeans.cluster_centers_)
            spread = max(kmeans.inertia_ / len(embedding), 1e-6)
            start_at_centers(cast(ClusterHead, head), centers, _START_VARIANCE * spread)

    def _keep_best_head(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> None:
        """Leave the head of lowest loss alone: only that one teaches itself."""
        heads = network.cluster_heads
        embedding = self._embed(network.eval().embed, dataset)
        chosen = choose_head(
            heads,
            embedding,
            dataset.neighbors,
            loss=self._judge_head,
            device=resolve_device(self.device),
        )
        heads.choose(chosen)

    def _judge_head(
        self, assignment: torch.Tensor, of_positives: torch.Tensor
    ) -> torch.Tensor:
        """Score a head by SCAN's loss with the weight that its authors select by."""
        loss = SCANLoss(entropy_weight=1.0)
        return torch.stack([loss(assignment, each) for each in of_positives]).mean()
