"""Contrast of instances and of clusters, with balance and information."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    ClusterContrastiveLoss,
    DECLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    balance_loss,
)
from sklearn_mfavb.pairs import Positives
from sklearn_mfavb.parameters import ParameterGroup

_TEMPERATURE = [Interval(Real, 0, None, closed="neither")]
_WEIGHT = [Interval(Real, 0, None, closed="left")]


class ContrastiveTerms(ParameterGroup):
    """Temperatures and weights of the terms of a contrastive loss, and its heads.

    Parameters
    ----------
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    cluster_temperature : float, default=1.0
        Temperature of the contrast between clusters.
    instance_weight : float, default=1.0
        Weight of the contrast between images.
    cluster_weight : float, default=1.0
        Weight of the contrast between clusters.
    information_weight : float, default=0.0
        Weight of the mutual information between the clusters of positives (TEMI,
        arXiv:2303.17896).
    n_cluster_heads : int, default=1
        Number of cluster heads, over which the terms of clusters are averaged. They
        shape the embedding together.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "instance_temperature": _TEMPERATURE,
        "cluster_temperature": _TEMPERATURE,
        "instance_weight": _WEIGHT,
        "cluster_weight": _WEIGHT,
        "information_weight": _WEIGHT,
        "n_cluster_heads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        instance_temperature: float = 0.5,
        cluster_temperature: float = 1.0,
        instance_weight: float = 1.0,
        cluster_weight: float = 1.0,
        information_weight: float = 0.0,
        n_cluster_heads: int = 1,
    ) -> None:
        self.instance_temperature = instance_temperature
        self.cluster_temperature = cluster_temperature
        self.instance_weight = instance_weight
        self.cluster_weight = cluster_weight
        self.information_weight = information_weight
        self.n_cluster_heads = n_cluster_heads


class ContrastiveObjective(nn.Module):
    """Contrast of instances and of clusters, balance (CC, arXiv 2009.09687), and more.

    The information that positives have of each other's cluster (TEMI, arXiv 2303.17896)
    is one more term. Every term is the mean over the couples of outputs that must
    agree, and over the cluster heads.

    Parameters
    ----------
    terms : ContrastiveTerms
        Temperatures and weights.
    balance_weight : float
        Weight of the term that keeps clusters equally large.
    """

    def __init__(self, terms: ContrastiveTerms, *, balance_weight: float) -> None:
        super().__init__()
        self.instance_contrast = InstanceContrastiveLoss(terms.instance_temperature)
        self.cluster_contrast = ClusterContrastiveLoss(terms.cluster_temperature)
        self.information = MutualInformationLoss()
        self.instance_weight = terms.instance_weight
        self.cluster_weight = terms.cluster_weight
        self.balance_weight = balance_weight
        self.information_weight = terms.information_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score couples of outputs that must agree."""
        projections = [(a.projection, b.projection) for a, b in positives]
        assignments = [  # (n_cluster_heads, batch_size, n_clusters)
            (a.assignment.transpose(0, 1), b.assignment.transpose(0, 1))
            for a, b in positives
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


class InstanceObjective(nn.Module):
    """Tell images apart (SimCLR, arXiv 2002.05709).

    Parameters
    ----------
    temperature : float
        Temperature of the contrast.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.instance_contrast = InstanceContrastiveLoss(temperature)

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Contrast two views of every image."""
        [(first, second)] = positives
        loss = self.instance_contrast(first.projection, second.projection)
        return {"instance_loss": loss}


class AnchorObjective(nn.Module):
    """Sum of the three losses of arXiv 2109.12714.

    Contrast separates views of different images (instance loss); the clean image
    sharpens its own assignment to the centers (DEC, arXiv 1511.06335); and the
    assignments of its views follow that (anchor loss).

    Parameters
    ----------
    instance_temperature : float
        Temperature of the contrast.
    instance_weight, dec_weight, anchor_weight : float
        Factors of the terms in the sum.
    """

    def __init__(
        self,
        *,
        instance_temperature: float,
        instance_weight: float,
        dec_weight: float,
        anchor_weight: float,
    ) -> None:
        super().__init__()
        self.instance_contrast = InstanceContrastiveLoss(instance_temperature)
        self.dec = DECLoss()
        self.consistency = AnchorConsistencyLoss()
        self.instance_weight = instance_weight
        self.dec_weight = dec_weight
        self.anchor_weight = anchor_weight

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score two views and the clean image; there is one head of centers."""
        [(first, second, clean)] = positives
        of_first, of_second, of_clean = (
            output.assignment[:, 0] for output in (first, second, clean)
        )
        instance = self.instance_contrast(first.projection, second.projection)
        anchor = self.consistency(of_clean, of_first, of_second)
        return {
            "instance_loss": self.instance_weight * instance,
            "dec_loss": self.dec_weight * self.dec(of_clean),
            "anchor_loss": self.anchor_weight * anchor,
        }
