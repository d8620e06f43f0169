"""How labels are read off a trained network."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn

from sklearn_mfavb.heads import CenterHead, ClusterHeads
from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.readout import MixtureReadout

_BLOCK_ROWS = 4096

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
) -> int:
    """Return the index of the head that agrees best with itself on neighbors.

    The loss is a mean over blocks of rows, so that it needs memory for one block; of
    all rows only the assignments by one head at a time are kept.
    """
    if heads.chosen >= 0 or len(heads) == 1:
        return max(0, int(heads.chosen))
    heads.eval()
    return int(
        np.argmin(
            [
                _self_agreement(_assign(head, embedding, device), neighbors, loss)
                for head in heads
            ]
        )
    )


def _assign(
    head: nn.Module, embedding: NDArray[np.float32], device: torch.device
) -> Tensor:
    """Assign all rows by one head, block by block; the result is on the CPU."""
    blocks = torch.from_numpy(embedding).split(_BLOCK_ROWS)
    return torch.cat([head(block.to(device)).cpu() for block in blocks])


def _self_agreement(
    assignment: Tensor, neighbors: NDArray[np.int64] | None, loss: HeadLoss
) -> float:
    """Hold what a head says of images against what it says of their neighbors."""
    n_samples = len(assignment)
    n_blocks = math.ceil(n_samples / _BLOCK_ROWS)
    losses = []
    for start in range(n_blocks):
        # Every n-th row: images often come sorted by class, and blocks must not.
        rows = torch.arange(start, n_samples, n_blocks)
        of_rows = assignment[rows]
        of_positives = of_rows[None]
        if neighbors is not None:
            of_positives = assignment[torch.from_numpy(neighbors[rows.numpy()].T)]
        losses.append(float(loss(of_rows, of_positives)))
    return float(np.mean(losses))
