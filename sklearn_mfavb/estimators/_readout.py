"""How labels are read off a trained network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_mfavb.heads import ClusterHeads
from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.readout import MixtureReadout


def fit_mixture(
    embedding: NDArray[np.float32], n_clusters: int, *, balance: float, seed: int
) -> MixtureReadout:
    """Fit a mixture to the embeddings of the training images."""
    readout = MixtureReadout(embedding.shape[1], n_clusters, balance=min(1.0, balance))
    return readout.fit(embedding, random_state=seed)


@torch.no_grad()
def choose_head(
    heads: ClusterHeads,
    embedding: NDArray[np.float32],
    neighbors: NDArray[np.int64] | None,
    *,
    device: torch.device,
) -> nn.Module:
    """Return the head that agrees best with itself on neighbours, by the loss."""
    if len(heads) == 1:
        return heads[0]
    assignments = heads.eval()(torch.from_numpy(embedding).to(device))
    losses = [
        _self_agreement(assignment, neighbors)
        for assignment in assignments.unbind(dim=1)
    ]
    return heads[int(np.argmin(losses))]


def _self_agreement(assignment: Tensor, neighbors: NDArray[np.int64] | None) -> float:
    """Contrast clusters with what the neighbours of their images say; add balance."""
    of_positives = assignment
    if neighbors is not None:
        columns = torch.from_numpy(neighbors).to(assignment.device).T
        of_positives = torch.stack([assignment[each] for each in columns]).mean(dim=0)
    contrast = ClusterContrastiveLoss()(assignment, of_positives)
    return float(contrast + balance_loss(assignment, of_positives))
