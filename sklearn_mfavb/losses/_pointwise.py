"""Pointwise mutual information of two images, by the clusters that they may share."""

from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


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
        joint = floored_log(at_least_float32(student))
        joint = joint + floored_log(at_least_float32(teacher).detach())
        joint = self.beta * joint - floored_log(at_least_float32(sizes).detach())
        return -(weights.detach() * joint.logsumexp(dim=-1)).mean()
