"""Contrast of instances alone, for training before there are clusters."""

from torch import Tensor, nn

from sklearn_mfavb.pairs import Positives
from sklearn_mfavb.losses import InstanceContrastiveLoss


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
        """Contrast two views of every image.

        Parameters
        ----------
        positives : list of one tuple of two ViewOutput

        Returns
        -------
        dict of str to torch.Tensor of shape ()
        """
        [(first, second)] = positives
        loss = self.instance_contrast(first.projection, second.projection)
        return {"instance_loss": loss}
