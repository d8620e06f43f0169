"""Contrast of images, and a consensus of random projections (ConCURL)."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses import ConsensusLoss, InstanceContrastiveLoss
from sklearn_mfavb.pairs import Positives


class ConCURLObjective(nn.Module):
    """Tell images apart, and predict codes in random projections (arXiv 2105.01289).

    Parameters
    ----------
    projector : torch.nn.Module
        From embeddings to the space of the prototypes.
    projector_dim : int
        Width of that space.
    n_prototypes : int
        Number of prototypes. They are learned, by the predictions; in the released
        code nothing moves them from where they are drawn.
    n_projections : int
        Number of random projections.
    projection_dim : int
        Width of a random projection.
    temperature : float
        Temperature of the contrast.
    instance_weight, consensus_weight : float
        Factors of the terms in the sum.
    """

    def __init__(
        self,
        projector: nn.Module,
        projector_dim: int,
        *,
        n_prototypes: int,
        n_projections: int,
        projection_dim: int,
        temperature: float,
        instance_weight: float,
        consensus_weight: float,
    ) -> None:
        super().__init__()
        self.projector = projector
        self.prototypes = nn.Parameter(torch.randn(n_prototypes, projector_dim))
        self.instance_contrast = InstanceContrastiveLoss(temperature)
        self.consensus = ConsensusLoss(projector_dim, n_projections, projection_dim)
        self.instance_weight = instance_weight
        self.consensus_weight = consensus_weight

    def no_weight_decay(self) -> set[str]:
        """Name what weight decay spares: the length of prototypes does not count."""
        return {"prototypes"}

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score two views of every image."""
        [(first, second)] = positives
        instance = self.instance_contrast(first.projection, second.projection)
        embedding = torch.cat([first.embedding, second.embedding]).float()
        views = self.projector(embedding).chunk(2)
        return {
            "instance_loss": self.instance_weight * instance,
            "consensus_loss": self.consensus_weight
            * self.consensus(*views, self.prototypes),
        }
