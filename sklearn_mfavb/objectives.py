"""What a method minimises: which loss reads which output, with which weight."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sklearn_mfavb.contrast import Positives
from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    InstanceContrastiveLoss,
    balance_loss,
)


class ContrastiveObjective(nn.Module):
    """Instance contrast, cluster contrast and balance (CC, arXiv 2009.09687).

    Every term is the mean over the couples of outputs that must agree.

    Parameters
    ----------
    instance_temperature, cluster_temperature : float
        Temperatures of the two contrasts.
    instance_weight, cluster_weight, balance_weight : float
        Factors of the terms in the sum.
    """

    def __init__(
        self,
        *,
        instance_temperature: float,
        cluster_temperature: float,
        instance_weight: float,
        cluster_weight: float,
        balance_weight: float,
    ) -> None:
        super().__init__()
        self.instance_contrast = InstanceContrastiveLoss(instance_temperature)
        self.cluster_contrast = ClusterContrastiveLoss(cluster_temperature)
        self.instance_weight = instance_weight
        self.cluster_weight = cluster_weight
        self.balance_weight = balance_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score the outputs of a batch.

        Parameters
        ----------
        positives : list of tuple of two ViewOutput
            Couples that must agree.

        Returns
        -------
        dict of str to torch.Tensor of shape ()
            Weighted terms; the loss is their sum.
        """
        projections = [(a.projection, b.projection) for a, b in positives]
        assignments = [(a.assignment, b.assignment) for a, b in positives]
        return {
            "instance_loss": self.instance_weight
            * _mean_over(projections, self.instance_contrast),
            "cluster_loss": self.cluster_weight
            * _mean_over(assignments, self.cluster_contrast),
            "balance_loss": self.balance_weight * _mean_over(assignments, balance_loss),
        }


def _mean_over(
    couples: list[tuple[Tensor, Tensor]], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Average a loss over couples."""
    return torch.stack([loss(first, second) for first, second in couples]).mean()
