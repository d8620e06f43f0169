"""Deep embedded clustering: soft assignments to centers, and their sharpening."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


def student_t_assignment(
    embedding: Tensor, centers: Tensor, alpha: float = 1.0
) -> Tensor:
    r"""Assign embeddings to centers by a Student's t kernel of their distance.

    .. math::

        q_{nk} = \frac{(1 + \|h_n - \mu_k\|^2 / \alpha)^{-(\alpha + 1) / 2}}
            {\sum_{l=1}^{K} (1 + \|h_n - \mu_l\|^2 / \alpha)^{-(\alpha + 1) / 2}} .

    Source: Xie, Girshick, Farhadi, DEC, 2016, arXiv:1511.06335, equation 1.

    Parameters
    ----------
    embedding : torch.Tensor of shape (batch_size, embed_dim)
        Embeddings :math:`h_n`, of any length.
    centers : torch.Tensor of shape (n_clusters, embed_dim)
        Cluster centers :math:`\mu_k`; they may be learned.
    alpha : float, default=1.0
        Degrees of freedom :math:`\alpha > 0`; small values give heavier tails.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import student_t_assignment
    >>> centers = torch.tensor([[0.0], [3.0]])
    >>> student_t_assignment(torch.tensor([[0.0], [1.5]]), centers)
    tensor([[0.9091, 0.0909],
            [0.5000, 0.5000]])
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be greater than 0, got {alpha!r}.")
    # Distances by a matrix product cancel where an embedding is near its center.
    squared_distance = torch.cdist(
        at_least_float32(embedding),
        at_least_float32(centers),
        compute_mode="donot_use_mm_for_euclid_dist",
    ).square()
    kernel = -(alpha + 1) / 2 * torch.log1p(squared_distance / alpha)
    return kernel.softmax(dim=1)


def target_distribution(assignment: Tensor) -> Tensor:
    r"""Sharpen assignments, and weigh each cluster down by its share of the batch.

    With :math:`f_k = \sum_n q_{nk}` the soft size of cluster :math:`k` in the batch,

    .. math::

        p_{nk} = \frac{q_{nk}^2 / f_k}{\sum_{l=1}^{K} q_{nl}^2 / f_l} .

    A cluster that is empty in the batch stays empty. Source: Xie, Girshick, Farhadi,
    DEC, 2016, arXiv:1511.06335, equation 3, with the sizes of the whole data set.

    Parameters
    ----------
    assignment : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities :math:`q_{nk}`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import target_distribution
    >>> target_distribution(torch.tensor([[0.8, 0.2], [0.4, 0.6]]))
    tensor([[0.9143, 0.0857],
            [0.2286, 0.7714]])
    """
    assignment = at_least_float32(assignment)
    size = assignment.sum(dim=0).clamp_min(1e-8)  # (n_clusters,)
    weight = assignment.square() / size
    return weight / weight.sum(dim=1, keepdim=True)


class DECLoss(nn.Module):
    r"""Pull soft assignments towards their own sharpened version.

    With :math:`p` the :func:`target_distribution` of the batch, a constant for the
    gradient,

    .. math::

        L = \frac{1}{n} \sum_{i=1}^{n} \mathrm{KL}(p_i \,\|\, q_i) ,

    0 for crisp assignments and for uniform ones. Nothing but the division by the
    cluster sizes in the target keeps all clusters in use. Source: Xie, Girshick,
    Farhadi, DEC, 2016, arXiv:1511.06335, equation 2.
    """

    def forward(self, assignment: Tensor) -> Tensor:
        """Return the loss, in nats, of an assignment (batch_size, n_clusters)."""
        return _mean_divergence(target_distribution(assignment), assignment)


class AnchorConsistencyLoss(nn.Module):
    r"""Tie the assignments of two views to that of the image without augmentation.

    With :math:`q` the assignment of the image, its anchor, and :math:`q^a, q^b` those
    of its views,

    .. math::

        L = \frac{1}{n} \sum_{i=1}^{n} \Bigl(
            \mathrm{KL}(q_i \,\|\, q^a_i) + \mathrm{KL}(q_i \,\|\, q^b_i) \Bigr) .

    The anchor is a constant for the gradient: the views follow it, and it does not
    follow them. Source: Sundareswaran et al., Cluster Analysis with Deep Embeddings and
    Contrastive Learning, 2021, arXiv:2109.12714.
    """

    def forward(self, anchor: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss, in nats, of three assignments (batch_size, n_clusters)."""
        return _mean_divergence(anchor, first) + _mean_divergence(anchor, second)


def _mean_divergence(target: Tensor, assignment: Tensor) -> Tensor:
    """Return the mean over images of KL(target || assignment), the target constant."""
    target = at_least_float32(target).detach()
    gap = floored_log(target) - floored_log(at_least_float32(assignment))
    return (target * gap).sum(dim=1).mean()
