r"""TEMI: heads that tell which cluster an image shares with its neighbors.

Every head is a student :math:`q_s` and a teacher :math:`q_t`, its moving average, with
the mean sizes :math:`\tilde q_t`. For an image and one of its neighbors

.. math:: \log \sum_c (q_s(c|x) q_t(c|x'))^\beta / \tilde q_t(c)

is maximized in both directions, weighted by the probability, as the teachers of all
heads see it, that the two share a cluster. Written from the equations; heads are one
linear layer. Source: Adaloglou, Michels, Kalisch, Kollmann, Exploring the Limits of
Deep Image Clustering using Pretrained Models, 2023, arXiv:2303.17896.
"""

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sklearn_mfavb.neighbors import nearest_neighbors

__all__ = ["temi"]

BATCH_SIZE = 512
BETA = 0.6
N_HEADS = 16
N_NEIGHBORS = 50
SIZES_MOMENTUM = 0.9
TEACHER_MOMENTUM = 0.996
TEMPERATURE = 0.1
# The paper has 1e-4 for sets of 50,000 images and more; here its steps are too few.
LEARNING_RATE = 1e-3


def temi(
    rows: NDArray, n_clusters: int, *, seed: int, max_epochs: int = 200
) -> NDArray:
    """Train heads, and label rows by the teacher of the head with the lowest loss.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.temi import temi
    >>> rows = np.repeat([[-1.0, 1.0], [1.0, -1.0]], 50, axis=0)
    >>> labels = temi(rows, 2, seed=0, max_epochs=600)
    >>> np.unique(labels[:50]) != np.unique(labels[50:])
    array([ True])
    """
    neighbors = torch.from_numpy(nearest_neighbors(rows, N_NEIGHBORS, metric="cosine"))
    images = torch.from_numpy(rows).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = nn.Sequential(
            nn.Linear(rows.shape[1], N_HEADS * n_clusters),
            nn.Unflatten(-1, (N_HEADS, n_clusters)),
        )
        average = get_ema_multi_avg_fn(TEACHER_MOMENTUM)
        teacher = AveragedModel(student, multi_avg_fn=average)
        optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE)
        sizes = torch.full((N_HEADS, n_clusters), 1 / n_clusters)
        for _ in range(max_epochs):
            losses = torch.zeros(N_HEADS)
            for batch in torch.randperm(len(images)).split(BATCH_SIZE):
                drawn = torch.randint(neighbors.shape[1], (len(batch),))
                pair = torch.stack([images[batch], images[neighbors[batch, drawn]]])
                with torch.no_grad():
                    taught = _log_probabilities(teacher(pair))
                    sizes.lerp_(taught.exp().mean(dim=(0, 1)), 1 - SIZES_MOMENTUM)
                loss = _loss(_log_probabilities(student(pair)), taught, sizes)
                optimizer.zero_grad()
                loss.mean().backward()
                optimizer.step()
                teacher.update_parameters(student)
                losses += loss.detach() * len(batch)
    with torch.no_grad():
        return teacher(images)[:, losses.argmin()].argmax(dim=1).numpy()


def _log_probabilities(logits: Tensor) -> Tensor:
    """Return what heads tell of images, as logarithms."""
    return (logits / TEMPERATURE).log_softmax(dim=-1)


def _loss(student: Tensor, teacher: Tensor, sizes: Tensor) -> Tensor:
    """Return the mean loss of each head; both tell (2, n_images, n_heads, n_clusters).

    The probability that two images share a cluster weighs their pair.
    """
    weights = teacher.sum(dim=0).exp().sum(dim=-1).mean(dim=-1)  # (n_images,)
    joint = BETA * (student + teacher.flip(0)) - sizes.log()
    information = joint.logsumexp(dim=-1).mean(dim=0)  # (n_images, n_heads)
    return -(weights[:, None] * information).mean(dim=0)
