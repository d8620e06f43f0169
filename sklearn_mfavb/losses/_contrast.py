"""Contrast of images and of clusters, and the balance that keeps clusters in use."""

import math

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
    first, second : torch.Tensor of shape (n_rows, dim)
        Rows of unit length, and their partners.
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
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            "first and second must be two matrices of one shape, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    rows = at_least_float32(torch.cat([first, second]))  # (2 * n_rows, dim)
    with torch.autocast(device_type=rows.device.type, enabled=False):
        similarity = rows @ rows.T / temperature  # (2 * n_rows, 2 * n_rows)
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(rows), device=rows.device).roll(len(first))
    return functional.cross_entropy(similarity, partner)


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
        return paired_contrast(_unit_rows(first), _unit_rows(second), self.temperature)


class ClusterContrastiveLoss(nn.Module):
    r"""Make a cluster hold the same images in both views, and other clusters others.

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
        """Return the loss of assignments (batch_size, n_clusters) of two views."""
        return paired_contrast(
            _unit_rows(first_assignment.T),
            _unit_rows(second_assignment.T),
            self.temperature,
        )


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
    first_assignment, second_assignment : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities of the views.
    """
    return _entropy_gap(first_assignment) + _entropy_gap(second_assignment)


def _entropy_gap(assignment: Tensor) -> Tensor:
    """Return log K - H of the mean of an assignment (batch_size, n_clusters)."""
    share = at_least_float32(assignment).mean(dim=0)  # (n_clusters,)
    # Only the logarithm is clamped: clamping the factor too would leave an empty
    # cluster with gradient 0, that is, empty for good.
    return math.log(len(share)) + (share * share.clamp_min(1e-8).log()).sum()


def _unit_rows(rows: Tensor) -> Tensor:
    """Bring rows to unit length; the row of an empty cluster stays 0."""
    return functional.normalize(at_least_float32(rows), dim=1, eps=1e-8)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision and integers to float32; leave float64 as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def check_temperature(temperature: float) -> float:
    """Return a temperature that can divide similarities, or raise ValueError."""
    if not temperature > 0:
        raise ValueError(f"temperature must be greater than 0, got {temperature!r}.")
    return temperature
