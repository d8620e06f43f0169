"""From an estimator's parameter `assignment` to what labels embeddings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import nn

from sklearn_mfavb.assignment._estimator import EstimatorAssigner
from sklearn_mfavb.assignment._heads import HeadLoss, choose_head
from sklearn_mfavb.assignment._mixture import MixtureAssigner
from sklearn_mfavb.heads import CenterHead, ClusterHeads


@dataclass(frozen=True)
class Evidence:
    """What clusters are found in.

    Attributes
    ----------
    embedding : ndarray of float32 of shape (n_samples, embed_dim)
        Embeddings of the training images.
    n_clusters : int
        Number of clusters.
    heads : ClusterHeads
        Cluster heads of the network.
    neighbors : ndarray of int64 of shape (n_samples, n_neighbors) or None
        Positives of each image, if they were neighbors.
    balance : float
        Extent to which a mixture has clusters of equal size, from 0 to 1.
    head_loss : callable
        Loss by which the best of several heads is chosen.
    seed : int
        Seed of k-means.
    device : torch.device
        Where the network is.
    """

    embedding: NDArray[np.float32]
    n_clusters: int
    heads: ClusterHeads
    neighbors: NDArray[np.int64] | None
    balance: float
    head_loss: HeadLoss
    seed: int
    device: torch.device


def fit_assigner(assignment: Any, evidence: Evidence) -> nn.Module:
    """Find how embeddings are assigned to clusters.

    Parameters
    ----------
    assignment : str or estimator
        A name in `ASSIGNMENTS`, or a clusterer or mixture with `predict`.
    evidence : Evidence
        Embeddings and what else is known of the training images.

    Returns
    -------
    torch.nn.Module
        From embeddings (batch_size, embed_dim) to probabilities (batch_size,
        n_clusters), in evaluation mode.
    """
    if isinstance(assignment, str):
        assigner = ASSIGNMENTS[assignment](evidence)
    else:
        assigner = EstimatorAssigner(assignment)
        assigner.fit(evidence.embedding, seed=evidence.seed)
    return assigner.to(evidence.device).eval()


def _fit_mixture(evidence: Evidence) -> nn.Module:
    """Fit a Gaussian mixture of balanced sizes."""
    n_dims = evidence.embedding.shape[1]
    balance = min(1.0, evidence.balance)
    mixture = MixtureAssigner(n_dims, evidence.n_clusters, balance=balance)
    return mixture.fit(evidence.embedding, random_state=evidence.seed)


def _fit_kmeans(evidence: Evidence) -> nn.Module:
    """Find centers by k-means; probabilities fall with the distance by Student's t."""
    kmeans = KMeans(evidence.n_clusters, n_init=10, random_state=evidence.seed)
    kmeans.fit(evidence.embedding)
    centers = CenterHead(evidence.embedding.shape[1], evidence.n_clusters)
    centers.set_centers(torch.from_numpy(kmeans.cluster_centers_))
    return centers.requires_grad_(False)


def _take_head(evidence: Evidence) -> nn.Module:
    """Take the cluster head of lowest loss."""
    index = choose_head(
        evidence.heads,
        evidence.embedding,
        evidence.neighbors,
        loss=evidence.head_loss,
        device=evidence.device,
    )
    return evidence.heads[index]


ASSIGNMENTS: dict[str, Callable[[Evidence], nn.Module]] = {
    "head": _take_head,
    "kmeans": _fit_kmeans,
    "mixture": _fit_mixture,
}
