"""Semantic clustering: agree with the neighbors, then learn from one's confidence.

Source: Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool, SCAN: Learning to
Classify Images without Labels, 2020, arXiv:2005.12320.
"""

import math

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


class SCANLoss(nn.Module):
    r"""Put an image and its neighbor into one cluster, and use all clusters.

    :math:`L = L_\text{consistency} - \lambda H`, with the :func:`consistency_loss` and
    the :func:`entropy_of_mean` of the anchors; down to :math:`-\lambda \log K` for
    crisp, agreeing, balanced clusters. Source: SCAN, 2020, arXiv:2005.12320.

    Parameters
    ----------
    entropy_weight : float, default=5.0
        Weight :math:`\lambda \geq 0` of the entropy.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import SCANLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(SCANLoss()(crisp, crisp).item(), 4)  # -5 log 4
    -6.9315
    """

    def __init__(self, entropy_weight: float = 5.0) -> None:
        super().__init__()
        if not 0 <= entropy_weight < math.inf:
            raise ValueError(
                f"entropy_weight must be finite and at least 0, got {entropy_weight!r}."
            )
        self.entropy_weight = entropy_weight

    def forward(self, anchor: Tensor, neighbor: Tensor) -> Tensor:
        """Return the loss of images and their neighbors (batch_size, n_clusters)."""
        entropy = entropy_of_mean(anchor)
        return consistency_loss(anchor, neighbor) - self.entropy_weight * entropy


def consistency_loss(anchor: Tensor, neighbor: Tensor) -> Tensor:
    r"""Return how surprising it is that images share the cluster of their neighbor.

    With :math:`p_i, p'_i` the assignments of an image and of its neighbor,

    .. math::

        L_\text{consistency} = -\frac{1}{n} \sum_{i=1}^{n} \log (p_i^\top p'_i) ,

    0 only for crisp assignments that agree, at most :math:`-\log 10^{-8}`. Both sides
    get a gradient.

    Parameters
    ----------
    anchor, neighbor : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities of the images, and of one neighbor each.
    """
    agreement = (at_least_float32(anchor) * at_least_float32(neighbor)).sum(dim=1)
    return -floored_log(agreement).mean()


def entropy_of_mean(assignment: Tensor) -> Tensor:
    r"""Return the entropy of the shares that the clusters have of the batch.

    With :math:`m` the mean assignment, :math:`H = -\sum_{k=1}^{K} m_k \log m_k`:
    :math:`\log K` for equal shares, 0 if one cluster takes all images.

    Parameters
    ----------
    assignment : torch.Tensor of shape (batch_size, n_clusters)
        Cluster probabilities.
    """
    share = at_least_float32(assignment).mean(dim=0)  # (n_clusters,)
    return -(share * floored_log(share)).sum()


class SelfLabelLoss(nn.Module):
    r"""Learn, under strong augmentation, the clusters that are certain without it.

    An image is kept if the largest probability of its weak view is above the threshold;
    that cluster is then its label. With :math:`\mathcal{C}` the clusters that have kept
    images in the batch, :math:`n_c` their numbers and :math:`q_i` the assignment of the
    strong view,

    .. math::

        L = \frac{1}{|\mathcal{C}|} \sum_{c \in \mathcal{C}} \frac{1}{n_c}
            \sum_{i \text{ kept as } c} -\log q_{ic} ,

    the cross-entropy weighted by inverse frequency, so that large clusters do not
    outvote small ones; 0 if no image is kept. Source: SCAN, 2020, arXiv:2005.12320.

    Parameters
    ----------
    threshold : float, default=0.99
        Probability in [0, 1) above which a cluster is taken for a label.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import SelfLabelLoss
    >>> strong = torch.full((4, 2), 0.5)
    >>> weak = torch.tensor([[0.995, 0.005], [1, 0], [0, 1], [0.9, 0.1]])
    >>> round(SelfLabelLoss()(strong, weak).item(), 4)  # log 2
    0.6931
    """

    def __init__(self, threshold: float = 0.99) -> None:
        super().__init__()
        if not 0 <= threshold < 1:
            raise ValueError(
                f"threshold must be at least 0 and below 1, got {threshold!r}."
            )
        self.threshold = threshold

    def forward(self, strong: Tensor, weak: Tensor) -> Tensor:
        """Return the loss, in nats, of two views (batch_size, n_clusters).

        The weak view gets no gradient.
        """
        confidence, label = at_least_float32(weak).max(dim=1)
        kept = confidence > self.threshold
        # Not by one_hot, which reads the labels on some devices.
        one_hot = torch.eye(weak.shape[1], dtype=torch.float32, device=label.device)[
            label
        ]
        membership = one_hot * kept[:, None]
        size = membership.sum(dim=0)  # (n_clusters,)
        # Weights of 0 in place of a selection: nothing kept is not a special case, and
        # the device is not waited for.
        weight = membership / size.clamp_min(1)
        n_present = size.count_nonzero().clamp_min(1)
        return -(weight * floored_log(at_least_float32(strong))).sum() / n_present
