"""Pointwise mutual information of two images, by the clusters that they may share."""

from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


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
        """Return the loss, in nats, of two views (..., batch_size, n_clusters)."""
        # Logarithms need a floor; that of the factors, not of their product, keeps an
        # empty cluster out of the sum.
        first = at_least_float32(first_assignment).clamp_min(1e-8)
        second = at_least_float32(second_assignment).clamp_min(1e-8)
        share = ((first + second) / 2).mean(dim=-2, keepdim=True).detach()
        return -_log_ratio(first.log(), second.log(), share.log(), self.exponent).mean()


class PointwiseInformationLoss(nn.Module):
    r"""Let two images share a cluster, the more so the rarer it is.

    With :math:`q_i` the assignment of an image by the student, :math:`t_i` that of
    another image by the teacher, :math:`m` the sizes of the clusters and :math:`w_i`
    the weight of the two images,

    .. math::

        L = -\frac{1}{n} \sum_{i=1}^{n} w_i
            \log \sum_{k=1}^{K} \frac{(q_{ik} t_{ik})^\beta}{m_k} .

    At :math:`\beta = 1` the logarithm is the pointwise mutual information; smaller
    values keep clusters more equal in size. The student alone gets a gradient. Source:
    Adaloglou, Michels, Kalisch, Kollmann, Exploring the Limits of Deep Image Clustering
    using Pretrained Models, 2023, arXiv:2303.17896.

    Parameters
    ----------
    beta : float, default=0.6
        Exponent :math:`\beta`, above 0.5 and at most 1.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import PointwiseInformationLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> sizes, weights = crisp.mean(dim=0), torch.ones(12)
    >>> round(PointwiseInformationLoss()(crisp, crisp, sizes, weights).item(), 4)
    -1.3863
    """

    def __init__(self, beta: float = 0.6) -> None:
        super().__init__()
        if not 0.5 < beta <= 1:
            raise ValueError(f"beta must be above 0.5 and at most 1, got {beta!r}.")
        self.beta = beta

    def forward(
        self, student: Tensor, teacher: Tensor, sizes: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of assignments (batch_size, ..., n_clusters).

        Sizes have shape (..., n_clusters), and weights (batch_size, ...).
        """
        by_student = floored_log(at_least_float32(student))
        by_teacher = floored_log(at_least_float32(teacher).detach())
        share = floored_log(at_least_float32(sizes).detach())
        information = _log_ratio(by_student, by_teacher, share, self.beta)
        return -(weights.detach() * information).mean()


def _log_ratio(first: Tensor, second: Tensor, share: Tensor, exponent: float) -> Tensor:
    r"""Return :math:`\log \sum_k (p_k q_k)^\beta / m_k` from logarithms."""
    return (exponent * (first + second) - share).logsumexp(dim=-1)
