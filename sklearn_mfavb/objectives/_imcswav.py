"""Codes of prototypes, and clusters that tell much about them (IMC-SwAV)."""

from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses import PrototypeInformationLoss, sinkhorn
from sklearn_mfavb.pairs import Positives

_LARGEST_LOGIT, _LOGIT_WEIGHT = 5.0, 0.01


class IMCSwAVObjective(nn.Module):
    """Predict each other's codes, and cluster what is learned (arXiv 2103.07368).

    Images are assigned to prototypes, so that all get an equal share; every other view
    of an image has to predict that code (SwAV, arXiv 2006.09882). The clusters of a
    view tell about the prototypes of the others, which are constants there.

    Parameters
    ----------
    projection_dim : int
        Width of projections.
    n_prototypes : int
        Number of prototypes, unit vectors that are learned.
    temperature : float
        Divisor of the cosines in predictions of codes.
    entropy_weight : float
        Weight of the entropy of the clusters.
    """

    def __init__(
        self,
        projection_dim: int,
        *,
        n_prototypes: int,
        temperature: float,
        entropy_weight: float,
    ) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(n_prototypes, projection_dim))
        self.information = PrototypeInformationLoss(entropy_weight)
        self.temperature = temperature

    def no_weight_decay(self) -> set[str]:
        """Name what weight decay spares: the length of prototypes does not count."""
        return {"prototypes"}

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score the views of every image; only the first two have codes."""
        [views] = positives
        prototypes = functional.normalize(self.prototypes, dim=1)
        cosines = [view.projection @ prototypes.T for view in views]
        codes = [sinkhorn(each) for each in cosines[:2]]
        couples = list(permutations(range(len(views)), 2))
        prediction = [
            functional.cross_entropy(cosines[other] / self.temperature, codes[own])
            for own, other in couples
            if own < len(codes)
        ]
        seen = [(each.detach() / self.temperature).softmax(dim=1) for each in cosines]
        information = [
            self.information(views[own].assignment[:, 0], seen[other])
            for own, other in couples
        ]
        assignments = torch.cat([view.assignment[:, 0] for view in views])
        return {
            "code_loss": torch.stack(prediction).mean(),
            "information_loss": torch.stack(information).mean(),
            "logit_loss": _LOGIT_WEIGHT * _excess(assignments),
        }


def _excess(assignment: Tensor) -> Tensor:
    """Return by how much centered logits are beyond 5, which keeps a softmax soft."""
    logits = assignment.clamp_min(torch.finfo(assignment.dtype).tiny).log()
    logits = logits - logits.mean(dim=1, keepdim=True)
    return (logits.abs() - _LARGEST_LOGIT).relu().sum(dim=1).mean()
