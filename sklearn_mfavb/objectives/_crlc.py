"""Contrast of images, in projections and in assignments (CRLC)."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses import (
    InstanceContrastiveLoss,
    ProbabilityContrastiveLoss,
    entropy_of_mean,
)
from sklearn_mfavb.pairs import Positives


class CRLCObjective(nn.Module):
    """Contrast of projections and of assignments (CRLC, arXiv 2107.11635).

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
        self.instance_contrast = InstanceContrastiveLoss(temperature)
        self.probability_contrast = ProbabilityContrastiveLoss()
        self.instance_weight = instance_weight
        self.entropy_weight = entropy_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score two views of every image, mean over the cluster heads."""
        [(first, second)] = positives
        of_first, of_second = (
            each.assignment.unbind(dim=1) for each in (first, second)
        )
        contrast = [
            self.probability_contrast(*couple)
            for couple in zip(of_first, of_second, strict=True)
        ]
        entropy = [entropy_of_mean(each) for each in (*of_first, *of_second)]
        instance = self.instance_contrast(first.projection, second.projection)
        return {
            "instance_loss": self.instance_weight * instance,
            "probability_loss": torch.stack(contrast).mean(),
            "entropy_loss": -self.entropy_weight * torch.stack(entropy).mean(),
        }
