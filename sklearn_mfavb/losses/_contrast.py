"""Contrast of images and of clusters, agreement of positives, balance of clusters."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def paired_contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    r"""Score how well each row finds its partner among all other rows (NT-Xent).

    With :math:`q_1, \dots, q_{2n}` the rows of both sides, :math:`s_{ij} = q_i^\top q_j
    / \tau` and :math:`p(i) = (i + n) \bmod 2n` the partner of row :math:`i`,

    .. math::

        L = \frac{1}{2n} \sum_{i=1}^{2n}
            \Bigl( -s_{i\,p(i)} + \log \sum_{j \neq i} e^{s_{ij}} \Bigr).

    A single pair has nothing to be told apart from and scores 0. Source: Chen et al.,
    SimCLR, 2020, arXiv:2002.05709, equation 1.

    Parameters
    ----------
    first, second : torch.Tensor of shape (..., n_rows, dim)
        Rows of unit length, and their partners. Of several pairs of matrices, stacked
        in front, the loss is the mean.
    temperature : float
        Divisor :math:`\tau > 0` of the similarities; small values sharpen.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import paired_contrast
    >>> rows = torch.eye(8)
    >>> round(paired_contrast(rows, rows, 0.5).item(), 4)  # -2 + log(e^2 + 14)
    1.0629
    """
    similarity, partner = paired_rows(first, second)
    own = torch.eye(len(partner), dtype=torch.bool, device=partner.device)
    logits = (similarity / temperature).masked_fill_(own, -torch.inf).flatten(0, -2)
    return functional.cross_entropy(logits, partner.repeat(len(logits) // len(partner)))


def paired_rows(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the inner products of all rows of both sides, and each row's partner."""
    if first.ndim < 2 or first.shape != second.shape:
        raise ValueError(
            "first and second must be matrices of one shape, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    rows = at_least_float32(torch.cat([first, second], dim=-2))  # (..., 2 n_rows, dim)
    similarity = _InnerProducts.apply(rows)  # (..., 2 n_rows, 2 n_rows)
    order = torch.arange(rows.shape[-2], device=rows.device)
    return similarity, order.roll(first.shape[-2])


class _InnerProducts(torch.autograd.Function):
    """Inner products of all rows, whose gradient is one product: autograd makes two."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        with torch.autocast(device_type=rows.device.type, enabled=False):
            return rows @ rows.mT

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        with torch.autocast(device_type=rows.device.type, enabled=False):
            return (gradients[0] + gradients[0].mT) @ rows


class InstanceContrastiveLoss(nn.Module):
    r"""Pull the two projections of an image together and push other images away.

    The :func:`paired_contrast` of the projections :math:`z_i` of two views, brought to
    unit length. Before training it is near :math:`\log(2n - 1)`. Source: Li et al.,
    Contrastive Clustering, 2021, arXiv:2009.09687.

    Parameters
    ----------
    temperature : float, default=0.5
        Divisor :math:`\tau > 0` of the similarities; small values weigh the hardest
        negatives more.
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of projections (batch_size, projection_dim) of two views."""
        return paired_contrast(unit_rows(first), unit_rows(second), self.temperature)


class ClusterContrastiveLoss(nn.Module):
    r"""Make a cluster have the same images in both views, and clusters differ.

    Column :math:`k` of an assignment says which images of the batch belong to cluster
    :math:`k`. The loss is the :func:`paired_contrast` of the :math:`K` columns of both
    views, brought to unit length: from :math:`\log(1 + (2K - 2) e^{-1/\tau})` for
    crisp, agreeing, balanced clusters to :math:`\log(2K - 1)` where every image is in
    every cluster alike. Without :func:`balance_loss` a few clusters may take all
    images. Source: Li et al., Contrastive Clustering, 2021, arXiv:2009.09687.

    Parameters
    ----------
    temperature : float, default=1.0
        Divisor :math:`\tau > 0` of the cosines.

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
        """Return the loss of two views: assignments (..., batch_size, n_clusters)."""
        first, second = unit_rows(first_assignment.mT), unit_rows(second_assignment.mT)
        return paired_contrast(first, second, self.temperature)


def balance_loss(first_assignment: Tensor, second_assignment: Tensor) -> Tensor:
    r"""Return how far the clusters of two views are from sharing the images equally.

    With :math:`m` the mean assignment of a view over the batch, the sum over both
    views of

    .. math::

        \log K - H(m) = \log K + \sum_{k=1}^{K} m_k \log m_k ,

    0 for equal shares, and :math:`2 \log K` if one cluster takes all images. Source:
    Li et al., Contrastive Clustering, 2021, arXiv:2009.09687.

    Parameters
    ----------
    first_assignment, second_assignment : Tensor of shape (..., batch_size, n_clusters)
        Cluster probabilities of the views. Of several heads, stacked in front, the
        loss is the mean.
    """
    return _entropy_gap(first_assignment) + _entropy_gap(second_assignment)


class QueueContrastiveLoss(nn.Module):
    r"""Find the key of one's own image among the keys of past batches.

    With :math:`q_i` the query of an image, :math:`k_i` its key, from a network that
    trails the one of the query, and :math:`\mathcal{U}` the queue of past keys,

    .. math::

        L = \frac{1}{n} \sum_{i=1}^{n} -\log
            \frac{\exp(q_i^\top k_i / \tau)}
                 {\exp(q_i^\top k_i / \tau)
                  + \sum_{u \in \mathcal{U}} \exp(q_i^\top u / \tau)} .

    Keys and queue are constants for the gradient; an empty queue gives 0. Source:
    He et al., MoCo, 2020, arXiv:1911.05722, equation 1.

    Parameters
    ----------
    temperature : float, default=0.2
        Divisor :math:`\tau > 0` of the similarities; small values weigh the hardest
        negatives more.
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
        """Return the loss of queries and keys (batch_size, projection_dim).

        The queue has shape (queue_size, projection_dim); all rows have unit length.
        """
        query = at_least_float32(query)
        past = at_least_float32(queue).detach()
        positive = _similarity(query, key)
        with torch.autocast(device_type=query.device.type, enabled=False):
            negative = query @ past.T  # (batch_size, queue_size)
        similarity = torch.cat([positive[:, None], negative], dim=1) / self.temperature
        own_key = torch.zeros(len(query), dtype=torch.long, device=query.device)
        return functional.cross_entropy(similarity, own_key)


class CompactnessLoss(nn.Module):
    r"""Pull each query towards the centroid that its key is nearest to.

    With :math:`c_{a(i)}` the centroid of image :math:`i`, a constant for the gradient,

    .. math::

        L = \frac{1}{n} \sum_{i=1}^{n} (1 - q_i^\top c_{a(i)}) ,

    half the mean squared distance of unit rows: from 0, on the centroid, to 2, opposite
    to it. A reconstruction, not the authors' formula: of CueCo, 2025, arXiv:2507.12359,
    only the abstract and the introduction, which ask for compact clusters, were at
    hand.
    """

    def forward(self, query: Tensor, centroids: Tensor, nearest: Tensor) -> Tensor:
        """Return the loss of queries (batch_size, projection_dim) of unit length.

        Centroids have shape (n_centroids, projection_dim); `nearest` holds the index of
        each query's, (batch_size,).
        """
        return (1 - _similarity(query, centroids[nearest])).mean()


def _similarity(query: Tensor, constant: Tensor) -> Tensor:
    """Return the inner products of paired rows; only the query gets a gradient."""
    return (at_least_float32(query) * at_least_float32(constant).detach()).sum(dim=1)


def _entropy_gap(assignment: Tensor) -> Tensor:
    """Return log K - H of the mean of an assignment (..., batch_size, n_clusters)."""
    share = at_least_float32(assignment).mean(dim=-2)  # (..., n_clusters)
    # Only the logarithm is clamped: clamping the factor too would leave an empty
    # cluster with gradient 0, that is, empty for good.
    entropy = -(share * share.clamp_min(1e-8).log()).sum(dim=-1)
    return (math.log(share.shape[-1]) - entropy).mean()


def unit_rows(rows: Tensor) -> Tensor:
    """Bring rows to unit length; the row of an empty cluster stays 0."""
    return functional.normalize(at_least_float32(rows), dim=-1, eps=1e-8)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision and integers to float32; leave float64 as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def floored_log(probability: Tensor) -> Tensor:
    """Return a logarithm that is finite at 0, and so is its gradient.

    The floor is added, since a clamp would give the least probable no gradient.
    """
    return (probability + 1e-8).log()


def check_temperature(temperature: float) -> float:
    """Return a temperature that can divide similarities, or raise ValueError."""
    if not temperature > 0:
        raise ValueError(f"temperature must be greater than 0, got {temperature!r}.")
    return temperature
