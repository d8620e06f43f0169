"""How labels are read off a trained network."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn

from sklearn_mfavb.heads import CenterHead, ClusterHeads
from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.readout import MixtureReadout

HeadLoss = Callable[[Tensor, Tensor], Tensor]


def balanced_contrast(assignment: Tensor, of_positives: Tensor) -> Tensor:
    """Contrast clusters, and add what keeps them equally large (CC).

    Positives, of shape (n_positives, n_samples, n_clusters), count by their mean.
    """
    of_positives = of_positives.mean(dim=0)
    contrast = ClusterContrastiveLoss()(assignment, of_positives)
    return contrast + balance_loss(assignment, of_positives)


def fit_mixture(
    embedding: NDArray[np.float32], n_clusters: int, *, balance: float, seed: int
) -> MixtureReadout:
    """Fit a mixture to the embeddings of the training images."""
    readout = MixtureReadout(embedding.shape[1], n_clusters, balance=min(1.0, balance))
    return readout.fit(embedding, random_state=seed)


def fit_kmeans(
    embedding: NDArray[np.float32], n_clusters: int, *, seed: int
) -> CenterHead:
    """Find centers of the embeddings of the training images."""
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed).fit(embedding)
    readout = CenterHead(embedding.shape[1], n_clusters).requires_grad_(False)
    readout.set_centers(torch.from_numpy(kmeans.cluster_centers_))
    return readout


@torch.no_grad()
def choose_head(
    heads: ClusterHeads,
    embedding: NDArray[np.float32],
    neighbors: NDArray[np.int64] | None,
    *,
    loss: HeadLoss = balanced_contrast,
    device: torch.device,
) -> nn.Module:
    """Return the head that agrees best with itself on neighbours, by the loss."""
    if len(heads) == 1:
        return heads[0]
    assignments = heads.eval()(torch.from_numpy(embedding).to(device))
    losses = [
        _self_agreement(assignment, neighbors, loss)
        for assignment in assignments.unbind(dim=1)
    ]
    return heads[int(np.argmin(losses))]


def _self_agreement(
    assignment: Tensor, neighbors: NDArray[np.int64] | None, loss: HeadLoss
) -> float:
    """Hold what a head says of images against what it says of their neighbours."""
    of_positives = assignment[None]
    if neighbors is not None:
        of_positives = assignment[torch.from_numpy(neighbors.T).to(assignment.device)]
    return float(loss(assignment, of_positives))
