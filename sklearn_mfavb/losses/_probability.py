"""Contrast of images by the clusters that they are assigned to."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


class ProbabilityContrastiveLoss(nn.Module):
    r"""Find an image's partner by the probability that two images share a cluster.

    With :math:`p_1, \dots, p_{2n}` the assignments of both views, smoothed to
    :math:`(1 - a) p + a / K`, and :math:`p(i)` the partner of row :math:`i`,

    .. math::

        L = \frac{1}{2n} \sum_{i=1}^{2n} \Bigl( -\log p_i^\top p_{p(i)}
            + \log \sum_{j \neq i} p_i^\top p_j \Bigr) ,

    the form of :func:`paired_contrast` with the logarithm of the dot product as critic.
    That makes the sum over all others one product with the sum of their rows, so the
    cost grows with :math:`nK` and not with :math:`n^2`. It is :math:`\log(2n - 1)` for
    uniform assignments; the more clusters are in use, the lower it can be. Source: Do,
    Tran, Venkatesh, Clustering by Maximizing Mutual Information Across Views, 2021,
    arXiv:2107.11635.

    Parameters
    ----------
    smoothing : float, default=0.01
        Part :math:`a` of the uniform distribution, in [0, 1).

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import ProbabilityContrastiveLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(ProbabilityContrastiveLoss(0.0)(crisp, crisp).item(), 4)  # log 5
    1.6094
    """

    def __init__(self, smoothing: float = 0.01) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(
                f"smoothing must be at least 0 and below 1, got {smoothing!r}."
            )
        self.smoothing = smoothing

    def forward(self, first_assignment: Tensor, second_assignment: Tensor) -> Tensor:
        """Return the loss of assignments (batch_size, n_clusters) of two views."""
        pair = at_least_float32(torch.stack([first_assignment, second_assignment]))
        pair = (1 - self.smoothing) * pair + self.smoothing / pair.shape[2]
        others = pair.sum(dim=(0, 1)) - pair
        agreement = (pair * pair.flip(0)).sum(dim=2)
        return (floored_log((pair * others).sum(dim=2)) - floored_log(agreement)).mean()
