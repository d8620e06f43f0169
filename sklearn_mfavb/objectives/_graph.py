"""Contrast along a graph of neighbors (GCC), and among images that are alike (C3)."""

from torch import Tensor, nn

from sklearn_mfavb.losses import (
    AssignmentContrastiveLoss,
    CrossInstanceLoss,
    NeighborContrastiveLoss,
    entropy_of_mean,
)
from sklearn_mfavb.pairs import Positives


class GCCObjective(nn.Module):
    """Views and neighbors are alike, and share a cluster (GCC, arXiv 2104.01429).

    Parameters
    ----------
    temperature : float
        Temperature of the contrast of projections.
    instance_weight : float
        Weight of that contrast.
    entropy_weight : float
        Weight of the entropy of the mean assignment.
    """

    def __init__(
        self, *, temperature: float, instance_weight: float, entropy_weight: float
    ) -> None:
        super().__init__()
        self.neighbor_contrast = NeighborContrastiveLoss(temperature)
        self.assignment_contrast = AssignmentContrastiveLoss()
        self.instance_weight = instance_weight
        self.entropy_weight = entropy_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score two views of every image and one of a neighbor; there is one head."""
        [outputs] = positives
        graph = self.neighbor_contrast(*(output.projection for output in outputs))
        first, _, neighbor = (output.assignment[:, 0] for output in outputs)
        return {
            "graph_loss": self.instance_weight * graph,
            "cluster_loss": self.assignment_contrast(first, neighbor),
            "entropy_loss": -self.entropy_weight * entropy_of_mean(first),
        }


class CrossInstanceObjective(nn.Module):
    """Pull together images that are alike already (C3, arXiv 2211.07136).

    Parameters
    ----------
    threshold : float
        Cosine above which two images are alike.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.cross_instance = CrossInstanceLoss(threshold)

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score two views of every image by their projections alone."""
        [(first, second)] = positives
        loss = self.cross_instance(first.projection, second.projection)
        return {"cross_instance_loss": loss}
