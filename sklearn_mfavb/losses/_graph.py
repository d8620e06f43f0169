"""Contrast in which an image has more positives than its own other view."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses._contrast import (
    at_least_float32,
    check_temperature,
    paired_rows,
    unit_rows,
)


class CrossInstanceLoss(nn.Module):
    r"""Pull together all images of a batch that are alike already.

    With :math:`z_1, \dots, z_{2n}` the projections of both views, :math:`s_{ij} =
    z_i^\top z_j`, and :math:`M_{ij} = 1` where :math:`s_{ij} > \zeta`, where
    :math:`j = i` and where :math:`j` is the partner of :math:`i`, else 0,

    .. math::

        L = -\frac{1}{n} \sum_{i=1}^{2n}
            \log \frac{\sum_j M_{ij} e^{s_{ij}}}{\sum_j e^{s_{ij}}} ,

    0 where all are alike. Source: Sadeghi, Hojjati, Armanfard, C3, 2023,
    arXiv:2211.07136; its weights of negatives are in neither its released code nor
    here.

    Parameters
    ----------
    threshold : float, default=0.6
        Cosine :math:`\zeta` above which two images are positives.
    """

    def __init__(self, threshold: float = 0.6) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of projections (batch_size, projection_dim) of two views."""
        similarity, partner = paired_rows(unit_rows(first), unit_rows(second))
        index = torch.arange(len(similarity), device=similarity.device)
        is_positive = similarity.detach() > self.threshold
        is_positive[index, index] = is_positive[index, partner] = True
        positive = similarity.masked_fill(~is_positive, -torch.inf).logsumexp(dim=1)
        return 2 * (similarity.logsumexp(dim=1) - positive).mean()


class NeighborContrastiveLoss(nn.Module):
    r"""Pull an image to its positives: another view of it, and a neighbor.

    With :math:`z_i` the projection of an image, :math:`P_i` those of its positives and
    :math:`N_i` those of all other images and of their positives,

    .. math::

        L = -\frac{1}{n} \sum_{i=1}^{n} \log
            \frac{\sum_{z \in P_i} \exp(z_i^\top z / \tau)}
                 {\sum_{z \in N_i} \exp(z_i^\top z / \tau)} .

    Positives are not in the denominator: it may be below 0. A single image has nothing
    to be told apart from and scores 0. Source: Zhong et al., Graph Contrastive
    Clustering, 2021, arXiv:2104.01429, whose weights by degree are left out.

    Parameters
    ----------
    temperature : float, default=0.1
        Divisor :math:`\tau > 0` of the similarities; small values sharpen.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, anchor: Tensor, *positives: Tensor) -> Tensor:
        """Return the loss of projections (batch_size, projection_dim) of unit length.

        Row i of each of the `positives` is a positive of row i of the anchors.
        """
        anchor = at_least_float32(anchor)
        others = torch.stack([anchor, *map(at_least_float32, positives)])
        with torch.autocast(device_type=anchor.device.type, enabled=False):
            similarity = anchor @ others.mT / self.temperature
        if len(anchor) == 1:
            return 0 * similarity.sum()
        positive = similarity.diagonal(dim1=1, dim2=2)[1:].logsumexp(dim=0)
        own = torch.eye(len(anchor), dtype=torch.bool, device=anchor.device)
        negative = similarity.masked_fill(own, -torch.inf).logsumexp(dim=(0, 2))
        return (negative - positive).mean()


class AssignmentContrastiveLoss(nn.Module):
    r"""Make a cluster hold the neighbors of its images, and other clusters others.

    With the columns of both assignments brought to unit length and :math:`R` their
    cosines, (n_clusters, n_clusters), the cross-entropy of each row of :math:`R` with
    its own cluster, from :math:`\log(1 + (K - 1) / e)` to :math:`\log K` where clusters
    are alike. Unlike `ClusterContrastiveLoss` it looks one way, and clusters are not
    told apart within a view. Source: Zhong et al., Graph Contrastive Clustering, 2021,
    arXiv:2104.01429.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import AssignmentContrastiveLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(AssignmentContrastiveLoss()(crisp, crisp).item(), 4)  # log(1 + 3 / e)
    0.7437
    """

    def forward(self, assignment: Tensor, of_neighbors: Tensor) -> Tensor:
        """Return the loss of assignments (batch_size, n_clusters)."""
        first, second = unit_rows(assignment.T), unit_rows(of_neighbors.T)
        with torch.autocast(device_type=first.device.type, enabled=False):
            cosines = first @ second.T
        return functional.cross_entropy(
            cosines, torch.arange(len(cosines), device=cosines.device)
        )
