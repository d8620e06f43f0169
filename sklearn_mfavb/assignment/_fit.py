"""From an estimator's parameter `assignment` to what labels embeddings."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.cluster import KMeans
from torch import Tensor, nn

from sklearn_mfavb.assignment._mixture import MixtureAssigner
from sklearn_mfavb.assignment._sizes import fit_sizes
from sklearn_mfavb.heads import CenterHead, ClusterHeads
from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.neighbors import Table

HeadLoss = Callable[[Tensor, Tensor], Tensor]

_BLOCK_ROWS = 4096


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
    features : Table of shape (n_samples, n_features) or None
        Features of the training images.
    balance : float or "auto"
        Extent to which a mixture has clusters of equal size, from 0 to 1; ``"auto"``:
        as the data have it.
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
    features: Table | None
    balance: float | Literal["auto"]
    head_loss: HeadLoss
    seed: int
    device: torch.device

    def take(self, positions: NDArray[np.int64]) -> "Evidence":
        """Return the evidence of some of the images, if there are enough of them.

        Neighbors of one may be another that is left out, so heads need all images.
        """
        if not self.n_clusters <= len(positions) < len(self.embedding):
            return self
        features: Any = self.features
        if isinstance(features, np.ndarray):
            features = features[positions]
        elif features is not None:  # rows are read when they are needed
            features = features.take(positions)
        embedding = self.embedding[positions]
        return replace(self, embedding=embedding, features=features, neighbors=None)


def check_assignment(assignment: Any, n_clusters: int | Literal["auto"]) -> None:
    """Raise for an estimator that finds another number of clusters."""
    if isinstance(assignment, str | type):  # `clone` refuses a class
        return
    params = assignment.get_params()
    for name in ("n_clusters", "n_components"):
        if name in params and n_clusters == "auto":
            raise ValueError(
                f"assignment={assignment!r} has {name}={params[name]}, but "
                f"n_clusters='auto' may find another number: set n_clusters="
                f"{params[name]}, or assignment='kmeans' or 'mixture'."
            )
        if params.get(name, n_clusters) != n_clusters:
            raise ValueError(
                f"assignment={assignment!r} has {name}={params[name]}, but "
                f"n_clusters={n_clusters}: they must be equal."
            )


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


class EstimatorAssigner(nn.Module):
    """Assign embeddings with a clusterer or mixture that has `predict`.

    Probabilities are those of its `predict_proba`; without that method they are one for
    the predicted cluster and zero for the others.

    Parameters
    ----------
    estimator : object
        A clusterer or mixture of scikit-learn; it is cloned.

    Attributes
    ----------
    n_outputs : int
        Number of clusters.
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.estimator = clone(estimator)
        self.n_outputs = 0

    def fit(self, embedding: NDArray[np.float32], *, seed: int) -> "EstimatorAssigner":
        """Fit the estimator; a `random_state` of None becomes the seed."""
        if self.estimator.get_params().get("random_state", seed) is None:
            self.estimator.set_params(random_state=seed)
        self.estimator.fit(embedding)
        found = int(self.estimator.predict(embedding).max()) + 1
        # The last cluster may have lost its training images, but get others later.
        names = ("n_clusters", "n_components")
        asked = [getattr(self.estimator, name, None) for name in names]
        counts = [int(n) for n in asked if isinstance(n, Integral)]
        self.n_outputs = max([found, *counts])
        return self

    def forward(self, embedding: Tensor) -> Tensor:
        """Assign: (batch_size, embed_dim) to (batch_size, n_clusters)."""
        rows = embedding.float().cpu().numpy()
        if hasattr(self.estimator, "predict_proba"):
            probabilities = self.estimator.predict_proba(rows)
        else:
            labels = self.estimator.predict(rows)
            probabilities = np.arange(self.n_outputs) == labels[:, None]
        probabilities = torch.from_numpy(np.asarray(probabilities, dtype=np.float32))
        return probabilities.to(embedding.device)


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
    if len(heads) == 1 or heads.chosen >= 0:
        return max(0, int(heads.chosen))
    heads.eval()
    total = np.zeros(len(heads))
    n_blocks = math.ceil(len(embedding) / _BLOCK_ROWS)
    for start in range(n_blocks):
        # Every n-th image: they often come sorted by class, and blocks must not.
        positions = np.arange(start, len(embedding), n_blocks)
        rows = torch.from_numpy(embedding[positions]).to(device)
        positives = [rows]
        if neighbors is not None:
            columns = neighbors[positions].T
            positives = [torch.from_numpy(embedding[c]).to(device) for c in columns]
        for index, head in enumerate(heads):
            of_positives = torch.stack([head(each) for each in positives])
            total[index] += float(loss(head(rows), of_positives))
    return int(total.argmin())


def _fit_mixture(evidence: Evidence) -> nn.Module:
    """Fit a Gaussian mixture."""
    if evidence.balance == "auto":
        return fit_sizes(
            evidence.embedding,
            evidence.features,
            evidence.n_clusters,
            seed=evidence.seed,
        )
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
