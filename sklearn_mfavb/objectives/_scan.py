"""The two clustering steps of SCAN (arXiv 2005.12320)."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses import SelfLabelLoss, consistency_loss, entropy_of_mean
from sklearn_mfavb.pairs import Positives


class SCANObjective(nn.Module):
    """Neighbors share a cluster, and all clusters are used; mean over the heads.

    Parameters
    ----------
    entropy_weight : float
        Weight of the entropy of the mean assignment.
    """

    def __init__(self, entropy_weight: float) -> None:
        super().__init__()
        self.entropy_weight = entropy_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score images and their neighbors; below zero where clusters are balanced."""
        [(anchor, neighbor)] = positives
        of_anchors, of_neighbors = (
            output.assignment.unbind(dim=1) for output in (anchor, neighbor)
        )
        consistency = [
            consistency_loss(of_anchor, of_neighbor)
            for of_anchor, of_neighbor in zip(of_anchors, of_neighbors, strict=True)
        ]
        entropy = [entropy_of_mean(of_anchor) for of_anchor in of_anchors]
        return {
            "consistency_loss": torch.stack(consistency).mean(),
            "entropy_loss": -self.entropy_weight * torch.stack(entropy).mean(),
        }


class SelfLabelObjective(nn.Module):
    """Augmented images get the label that the clean image has with confidence.

    Parameters
    ----------
    threshold : float
        Probability above which a label counts.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.self_label = SelfLabelLoss(threshold)

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score augmented images by clean ones, mean over the heads."""
        [(strong, clean)] = positives
        losses = [
            self.self_label(of_strong, of_clean)
            for of_strong, of_clean in zip(
                strong.assignment.unbind(dim=1),
                clean.assignment.unbind(dim=1),
                strict=True,
            )
        ]
        return {"self_label_loss": torch.stack(losses).mean()}
