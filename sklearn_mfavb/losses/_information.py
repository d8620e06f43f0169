"""How much the cluster of an image tells about that of its positive."""

from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32


class MutualInformationLoss(nn.Module):
    r"""Make positives tell as much as possible of each other's cluster.

    With :math:`p, q` the assignments of an image and of its positive and :math:`m` the
    mean of all of them over the batch, a constant for the gradient, the mean over the
    images of minus the pointwise mutual information,

    .. math::

        L = -\log \sum_{k=1}^{K} \frac{(p_k q_k)^\beta}{m_k} .

    At :math:`\beta = 1` its optimum is soft clusters; :math:`\beta < 1` counters the
    collapse of small clusters, since a rare cluster that both agree on weighs more.
    Source: Adaloglou et al., TEMI, 2023, arXiv:2303.17896, equation 5; there the mean
    runs over the last batches and one of both assignments is a teacher's.

    Parameters
    ----------
    exponent : float, default=0.6
        :math:`\beta`, in (0.5, 1].

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import MutualInformationLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(MutualInformationLoss()(crisp, crisp).item(), 4)  # -log 4
    -1.3863
    """

    def __init__(self, exponent: float = 0.6) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, first_assignment: Tensor, second_assignment: Tensor) -> Tensor:
        """Return the loss, in nats, of two views (batch_size, n_clusters)."""
        # Logarithms need a floor; that of the factors, not of their product, keeps an
        # empty cluster out of the sum.
        first = at_least_float32(first_assignment).clamp_min(1e-8)
        second = at_least_float32(second_assignment).clamp_min(1e-8)
        share = ((first + second) / 2).mean(dim=0).detach()
        agreement = self.exponent * (first.log() + second.log())
        return -(agreement - share.log()).logsumexp(dim=1).mean()
