"""Momentum contrast with compact clusters, reconstructed from CueCo's abstract."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.distributed import agree
from sklearn_mfavb.losses import CompactnessLoss, QueueContrastiveLoss
from sklearn_mfavb.pairs import Positives

_ROUNDS = 5  # of k-means, each time from the last centroids


class CueCoObjective(nn.Module):
    """Scatter images against a queue of past keys, and align those of one cluster.

    Contrast separates a query from past keys (MoCo, arXiv 1911.05722); spherical
    k-means on the queue gives centroids, and a query is drawn to the one nearest to its
    key (the "scatter and align" of arXiv 2507.12359, whose own formulas are not
    available to us).

    Parameters
    ----------
    n_centroids : int
        Clusters of the queue; while it has fewer keys, no image is drawn to a center.
    queue_size : int
        Keys kept.
    projection_dim : int
        Width of keys.
    temperature : float
        Temperature of the contrast.
    compactness_weight : float
        Factor of the drawing when it is fully on.
    n_warmup_steps : int
        Steps in which that factor stays zero; then it rises to `compactness_weight`
        over as many.
    refresh : int
        Steps between two rounds of k-means.
    """

    queue: Tensor
    centroids: Tensor

    def __init__(
        self,
        *,
        n_centroids: int,
        queue_size: int,
        projection_dim: int,
        temperature: float,
        compactness_weight: float,
        n_warmup_steps: int,
        refresh: int,
    ) -> None:
        super().__init__()
        self.contrast = QueueContrastiveLoss(temperature)
        self.compactness = CompactnessLoss()
        self.n_centroids = n_centroids
        self.queue_size = queue_size
        self.compactness_weight = compactness_weight
        self.n_warmup_steps = n_warmup_steps
        self.refresh = refresh
        self.n_steps = 0
        # Both grow, which a state of fixed shapes does not allow: see get_extra_state.
        self.register_buffer("queue", torch.zeros(0, projection_dim), persistent=False)
        self.register_buffer(
            "centroids", torch.zeros(0, projection_dim), persistent=False
        )

    def get_extra_state(self) -> dict[str, Any]:
        """Return what steps have left behind, for a fit that resumes later."""
        return {
            "n_steps": self.n_steps,
            "queue": self.queue,
            "centroids": self.centroids,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what steps have left behind, on the device of the objective."""
        self.n_steps = state["n_steps"]
        self.queue, self.centroids = (
            state[name].to(self.queue.device) for name in ("queue", "centroids")
        )

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score queries by their keys, and put the keys into the queue."""
        [(query, key)] = positives
        keys = key.projection.detach()
        terms = {
            "instance_loss": self.contrast(query.projection, keys, self.queue),
            "compactness_loss": self._draw_together(query.projection, keys),
        }
        self.queue = torch.cat([keys, self.queue])[: self.queue_size]
        self.n_steps += 1
        return terms

    def _draw_together(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return the weighted compactness; zero until the queue means something."""
        if self.n_steps < self.n_warmup_steps or len(self.queue) < self.n_centroids:
            return query.new_zeros(())
        if len(self.centroids) == 0 or self.n_steps % self.refresh == 0:
            start = self.centroids if len(self.centroids) else None
            self.centroids = cluster_queue(self.queue, self.n_centroids, start)
        nearest = (keys @ self.centroids.T).argmax(dim=1)
        done = (self.n_steps - self.n_warmup_steps + 1) / max(1, self.n_warmup_steps)
        weight = self.compactness_weight * min(1.0, done)
        return weight * cast(Tensor, self.compactness(query, self.centroids, nearest))


@torch.no_grad()
def cluster_queue(
    queue: Tensor, n_centroids: int, centroids: Tensor | None = None
) -> Tensor:
    """Run a few rounds of spherical k-means; empty clusters restart at a random key.

    Parameters
    ----------
    queue : torch.Tensor of shape (n_keys, projection_dim)
        Unit vectors.
    n_centroids : int
        Number of clusters.
    centroids : torch.Tensor of shape (n_centroids, projection_dim), default=None
        Where to start. None: at random keys.

    Returns
    -------
    torch.Tensor of shape (n_centroids, projection_dim)
        Unit vectors.
    """
    chosen = agree(torch.randperm(len(queue)))[:n_centroids]
    spare = queue[chosen.to(queue.device, non_blocking=True)]
    # Not by one_hot, which reads the labels on some devices.
    one_hot = torch.eye(n_centroids, dtype=queue.dtype, device=queue.device)
    centroids = spare if centroids is None else centroids
    for _ in range(_ROUNDS):
        nearest = (queue @ centroids.T).argmax(dim=1)
        members = one_hot[nearest]
        is_empty = members.sum(dim=0) == 0
        centroids = functional.normalize(members.T @ queue, dim=1)
        centroids = torch.where(is_empty[:, None], spare, centroids)
    return centroids
