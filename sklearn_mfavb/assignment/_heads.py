"""The best of several cluster heads."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mfavb.heads import ClusterHeads
from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss

HeadLoss = Callable[[Tensor, Tensor], Tensor]

_BLOCK_ROWS = 4096


def balanced_contrast(assignment: Tensor, of_positives: Tensor) -> Tensor:
    """Contrast clusters, and add the term that keeps them equally large (CC).

    Positives, of shape (n_positives, n_samples, n_clusters), count by their mean.
    """
    mean = of_positives.mean(dim=0)
    contrast = ClusterContrastiveLoss()(assignment, mean)
    return contrast + balance_loss(assignment, mean)


@torch.no_grad()
def choose_head(
    heads: ClusterHeads,
    embedding: NDArray[np.float32],
    neighbors: NDArray[np.int64] | None,
    *,
    loss: HeadLoss = balanced_contrast,
    device: torch.device,
) -> int:
    """Return the index of the head of lowest loss on images and their neighbors.

    The loss is averaged over blocks of 4,096 images, so that memory does not grow with
    the number of images times clusters.

    Parameters
    ----------
    heads : ClusterHeads
        The candidates.
    embedding : ndarray of float32 of shape (n_samples, embed_dim)
        Embeddings of the training images.
    neighbors : ndarray of int64 of shape (n_samples, n_neighbors) or None
        Positives of each image; None stands for the image itself.
    loss : callable, default=balanced_contrast
        From assignments (n_samples, n_clusters) and those of the positives
        (n_positives, n_samples, n_clusters) to a loss.
    device : torch.device
        Where the heads are.

    Returns
    -------
    int
    """
    if len(heads) == 1:
        return 0
    heads.eval()
    total = np.zeros(len(heads))
    for positions in np.split(
        np.arange(len(embedding)), range(_BLOCK_ROWS, len(embedding), _BLOCK_ROWS)
    ):
        rows = torch.from_numpy(embedding[positions]).to(device)
        positives = [rows]
        if neighbors is not None:
            columns = neighbors[positions].T
            positives = [torch.from_numpy(embedding[c]).to(device) for c in columns]
        for index, head in enumerate(heads):
            of_positives = torch.stack([head(each) for each in positives])
            total[index] += len(rows) * float(loss(head(rows), of_positives))
    return int(total.argmin())
