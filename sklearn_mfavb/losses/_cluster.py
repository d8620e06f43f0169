"""Contrast of clusters, and the balance that keeps all of them in use."""

import math

from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses._contrast import (
    at_least_float32,
    check_temperature,
    paired_contrast,
)


class ClusterContrastiveLoss(nn.Module):
    r"""Make a cluster hold the same images in both views, and other clusters others.

    Column :math:`k` of an assignment matrix says which images of the batch belong to
    cluster :math:`k`. The :math:`2K` columns of both views, :math:`c_1, \dots,
    c_{2K}`, are contrasted as images are in :class:`InstanceContrastiveLoss`:

    .. math::

        L_\text{cluster} = \frac{1}{2K} \sum_{i=1}^{2K}
            -\log \frac{\exp(\cos(c_i, c_{p(i)}) / \tau)}
                       {\sum_{j \neq i} \exp(\cos(c_i, c_j) / \tau)},

    where :math:`p(i)` is the same cluster in the other view. It ranges from
    :math:`\log(1 + (2K - 2) e^{-1/\tau})` for crisp, agreeing, balanced clusters; it is
    :math:`\log(2K - 1)` where every image is in every cluster alike. A cluster that is
    empty in the batch has cosine 0 with all others. Use it with :func:`balance_loss`,
    without which a few clusters may take all images.

    Parameters
    ----------
    temperature : float, default=1.0
        Divisor :math:`\tau > 0` of the cosines.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0.

    See Also
    --------
    balance_loss : Keep all clusters in use.
    InstanceContrastiveLoss : The same contrast between images.

    References
    ----------
    Li, Hu, Liu, Peng, Zhou, Peng, "Contrastive Clustering", 2021, arXiv:2009.09687.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import ClusterContrastiveLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(ClusterContrastiveLoss()(crisp, crisp).item(), 4)  # log(1 + 6 / e)
    1.1654
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, first_assignment: Tensor, second_assignment: Tensor) -> Tensor:
        """Return the mean loss of the clusters of two views.

        Parameters
        ----------
        first_assignment : torch.Tensor of shape (batch_size, n_clusters)
            Cluster probabilities of the first view.
        second_assignment : torch.Tensor of shape (batch_size, n_clusters)
            Cluster probabilities of the second view, in the same order of images.

        Returns
        -------
        torch.Tensor of shape ()
            Float32 even under autocast.
        """
        return paired_contrast(
            functional.normalize(at_least_float32(first_assignment).T, dim=1, eps=1e-8),
            functional.normalize(
                at_least_float32(second_assignment).T, dim=1, eps=1e-8
            ),
            self.temperature,
        )


def balance_loss(first_assignment: Tensor, second_assignment: Tensor) -> Tensor:
    r"""Return how far the clusters of two views are from sharing the images equally.

    With :math:`m` the mean assignment of a view over the batch, the sum over both
    views of

    .. math::

        \log K - H(m) = \log K + \sum_{k=1}^{K} m_k \log m_k ,

    0 for equal shares, and :math:`2 \log K` if one cluster takes all images. The
    argument of the logarithm is kept above 1e-8, so an empty cluster has a finite
    gradient, and one that asks for images.

    Parameters
    ----------
    first_assignment : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities of the first view.
    second_assignment : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities of the second view.

    Returns
    -------
    torch.Tensor of shape ()
        Float32 even under autocast, in nats.

    References
    ----------
    Li, Hu, Liu, Peng, Zhou, Peng, "Contrastive Clustering", 2021, arXiv:2009.09687.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import balance_loss
    >>> balance_loss(torch.eye(4), torch.eye(4)).item()
    0.0
    >>> collapsed = torch.eye(4)[[0, 0, 0, 0]]
    >>> round(balance_loss(collapsed, collapsed).item(), 4)  # 2 log 4
    2.7726
    """
    return _entropy_gap(first_assignment) + _entropy_gap(second_assignment)


def _entropy_gap(assignment: Tensor) -> Tensor:
    """Return log K - H of the mean of an assignment (batch_size, n_clusters)."""
    share = at_least_float32(assignment).mean(dim=0)  # (n_clusters,)
    # Only the logarithm is clamped: clamping the factor too would leave an empty
    # cluster with gradient 0, that is, empty for good.
    return math.log(len(share)) + (share * share.clamp_min(1e-8).log()).sum()
