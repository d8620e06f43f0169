"""What a fit has at hand when its training is planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import nn

from sklearn_mfavb.backbones import FeatureMLP
from sklearn_mfavb.estimators._augmentations import make_augmentations
from sklearn_mfavb.features import FrozenEncoder
from sklearn_mfavb.heads import ClusterHead, ClusterHeads, start_at_centers
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import ContrastiveObjective, ContrastiveTerms
from sklearn_mfavb.pairs import AcrossPairs, Augment, WithinPair
from sklearn_mfavb.positives import NeighborSearch, resolve_positives
from sklearn_mfavb.training import (
    Runtime,
    Stage,
    auto_epochs,
    embed_images,
)
from sklearn_mfavb.views import ViewShape

# Three seeds of rsscn7 had 0.860 ACC after 400 steps and 0.859 after 900.
_STEPS_OF_MLP = 350
# Heads start at k-means, as softly as this part of the squared distances to its centers
# makes them. From random weights SCAN's loss ends higher: on 1,000 USPS images -2.08 in
# place of -2.10, and 0.76 ACC in place of 0.80; on features 60 steps were too few.
_START_VARIANCE = 0.3


@dataclass(frozen=True)
class FitSetup:
    """The network and the images of a fit.

    Attributes
    ----------
    network : ClusteringNetwork
        Is about to be trained.
    dataset : ImageDataset
        Images, features, or both.
    encoders : sequence of FrozenEncoder
        What computed the features.
    shape : ViewShape
        What one view of an image consists of.
    runtime : Runtime
        Device, arithmetic and batch size.
    n_clusters : int
        Number of clusters.
    continues : bool
        Whether the network has learned in an earlier fit (`warm_start`).
    """

    network: ClusteringNetwork
    dataset: ImageDataset
    encoders: Sequence[FrozenEncoder]
    shape: ViewShape
    runtime: Runtime
    n_clusters: int
    continues: bool

    def augmentations(
        self, augmentation: Any, *, auto_features: str = "noise"
    ) -> tuple[Augment, Augment]:
        """Build the augmentations of both views; see `make_augmentations`."""
        return make_augmentations(
            augmentation, self.dataset, self.encoders, auto_features=auto_features
        )

    def search(self, positives: Any) -> NeighborSearch:
        """Make the search of positives, which finds none if they are augmentations."""
        return NeighborSearch(
            resolve_positives(positives, self.dataset),
            self.dataset,
            shape=self.shape,
            network=self.network,
            n_clusters=self.n_clusters,
            runtime=self.runtime,
        )

    def stage(
        self, objective: nn.Module, pairs: Any, positives: Any, max_epochs: Any
    ) -> Stage:
        """Plan the one stage of a method whose partners are positives."""
        n_epochs, search = self.epochs(max_epochs), self.search(positives)
        return Stage(
            objective,
            pairs,
            n_epochs,
            prepare=search.prepare,
            callbacks=search.callbacks(),
        )

    def embed(self) -> NDArray[np.float32]:
        """Embed the clean images with the network as it is, (n_samples, embed_dim)."""
        return embed_images(self.network, self.dataset, self.runtime)

    def epochs(self, max_epochs: Any) -> int:
        """Replace ``"auto"`` by a number of epochs."""
        if max_epochs != "auto":
            return max_epochs
        is_mlp = isinstance(self.network.backbone, FeatureMLP)
        n_steps = _STEPS_OF_MLP if is_mlp else None
        return auto_epochs(self.dataset, self.runtime, n_steps)


def contrastive_stage(
    setup: FitSetup,
    pairs: type[AcrossPairs | WithinPair],
    terms: ContrastiveTerms,
    *,
    augmentation: Any,
    positives: Any,
    balance: float | Literal["auto"],
    max_epochs: Any,
) -> Stage:
    """Plan the one stage of CC, VTCC and MFAVB: contrast of images and of clusters."""
    weight = training_weight(balance)
    views = pairs(*setup.augmentations(augmentation))
    objective = ContrastiveObjective(terms, balance_weight=weight)
    return setup.stage(objective, views, positives, max_epochs)


def start_at_kmeans(
    heads: ClusterHeads, embedding: NDArray[np.float32], n_clusters: int
) -> None:
    """Start every head of one linear layer at a run of k-means."""
    for head in heads:
        seed = int(torch.randint(2**31 - 1, ()))  # torch's generator is seeded here
        kmeans = KMeans(n_clusters, n_init=1, random_state=seed).fit(embedding)
        centers = torch.from_numpy(kmeans.cluster_centers_)
        spread = max(kmeans.inertia_ / len(embedding), 1e-6)
        start_at_centers(cast(ClusterHead, head), centers, _START_VARIANCE * spread)


def training_weight(balance: float | Literal["auto"]) -> float:
    """Replace ``"auto"``: while a network learns, balance keeps clusters from dying.

    Training without it, and only the mixture free of it, was no better on long tails.
    """
    return 1.0 if balance == "auto" else balance
