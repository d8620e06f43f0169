"""Contrast of images: two views of one image agree, views of two images do not."""

from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses._contrast import (
    at_least_float32,
    check_temperature,
    paired_contrast,
)


class InstanceContrastiveLoss(nn.Module):
    r"""Pull the two projections of an image together and push other images away.

    With :math:`z_i` the rows of both views scaled to unit length, the loss is

    .. math::

        L_\text{instance} = \frac{1}{2n} \sum_{i=1}^{2n}
            -\log \frac{\exp(z_i^\top z_{p(i)} / \tau)}
                       {\sum_{j \neq i} \exp(z_i^\top z_j / \tau)},

    where :math:`p(i)` is the other view of the same image. Before training it is near
    :math:`\log(2n - 1)`.

    Parameters
    ----------
    temperature : float, default=0.5
        Divisor :math:`\tau > 0` of the similarities; small values weigh the hardest
        negatives more.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0.

    See Also
    --------
    ClusterContrastiveLoss : The same contrast between clusters.

    References
    ----------
    Li, Hu, Liu, Peng, Zhou, Peng, "Contrastive Clustering", 2021, arXiv:2009.09687.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import InstanceContrastiveLoss
    >>> alike = torch.ones(8, 16)
    >>> round(InstanceContrastiveLoss()(alike, alike).item(), 4)  # log 15
    2.7081
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean loss of two views.

        Parameters
        ----------
        first : torch.Tensor of shape (batch_size, projection_dim)
            Projections of the first view, of any length.
        second : torch.Tensor of shape (batch_size, projection_dim)
            Projections of the second view, in the same order of images.

        Returns
        -------
        torch.Tensor of shape ()
            Float32 even under autocast.
        """
        return paired_contrast(
            functional.normalize(at_least_float32(first), dim=1, eps=1e-8),
            functional.normalize(at_least_float32(second), dim=1, eps=1e-8),
            self.temperature,
        )
