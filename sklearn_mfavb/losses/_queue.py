"""Contrast with the keys of past batches, and compactness around their centroids."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses._contrast import at_least_float32, check_temperature


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
