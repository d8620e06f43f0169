"""Contrast of instances and of clusters, with balance and information."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sklearn_mfavb.contrast import Positives
from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    balance_loss,
)


class ContrastiveObjective(nn.Module):
    """Contrast of instances and of clusters, balance (CC, arXiv 2009.09687), and more.

    The information that positives have of each other's cluster (TEMI, arXiv 2303.17896)
    is one more term. Every term is the mean over the couples of outputs that must
    agree, and over the cluster heads.

    Parameters
    ----------
    instance_temperature, cluster_temperature : float
        Temperatures of the two contrasts.
    instance_weight, cluster_weight, balance_weight : float
        Factors of the terms in the sum.
    information_weight : float, default=0.0
        Factor of the mutual information.
    """

    def __init__(
        self,
        *,
        instance_temperature: float,
        cluster_temperature: float,
        instance_weight: float,
        cluster_weight: float,
        balance_weight: float,
        information_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.instance_contrast = InstanceContrastiveLoss(instance_temperature)
        self.cluster_contrast = ClusterContrastiveLoss(cluster_temperature)
        self.instance_weight = instance_weight
        self.cluster_weight = cluster_weight
        self.balance_weight = balance_weight
        self.information = MutualInformationLoss()
        self.information_weight = information_weight

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
        assignments = [
            couple
            for a, b in positives
            for couple in zip(
                a.assignment.unbind(dim=1), b.assignment.unbind(dim=1), strict=True
            )
        ]
        terms = {
            "instance_loss": self.instance_weight
            * _mean_over(projections, self.instance_contrast),
            "cluster_loss": self.cluster_weight
            * _mean_over(assignments, self.cluster_contrast),
            "balance_loss": self.balance_weight * _mean_over(assignments, balance_loss),
        }
        if self.information_weight:
            terms["information_loss"] = self.information_weight * _mean_over(
                assignments, self.information
            )
        return terms


def _mean_over(
    couples: list[tuple[Tensor, Tensor]], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Average a loss over couples."""
    return torch.stack([loss(first, second) for first, second in couples]).mean()
