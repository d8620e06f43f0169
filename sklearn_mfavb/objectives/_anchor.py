"""Instance contrast, deep embedded clustering, and an anchor for augmented views."""

from torch import Tensor, nn

from sklearn_mfavb.pairs import Positives
from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    DECLoss,
    InstanceContrastiveLoss,
)


class AnchorObjective(nn.Module):
    """Sum of the three losses of arXiv 2109.12714.

    Views are told from other images (instance loss); the clean image sharpens its own
    assignment to the centers (DEC, arXiv 1511.06335); and the assignments of its views
    follow that (anchor loss).

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
        """Score two views and the clean image; there is one head of centers.

        Parameters
        ----------
        positives : list of one tuple of three ViewOutput
            First view, second view, clean image.

        Returns
        -------
        dict of str to torch.Tensor of shape ()
            Weighted terms; the loss is their sum.
        """
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
