"""Images assigned to prototypes: equal codes, their consensus, and information."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.losses._contrast import at_least_float32, floored_log


@torch.no_grad()
def sinkhorn(
    scores: Tensor, temperature: float = 0.05, n_iterations: int = 3
) -> Tensor:
    r"""Assign images to prototypes so that all prototypes get an equal share.

    :math:`\exp(s_{ij} / \varepsilon)` is scaled by columns and by rows in turns; rows
    come last, and sum to one. Computed from logarithms, without a gradient. Source:
    Caron et al., SwAV, 2020, arXiv:2006.09882, section 3.1, after Cuturi, 2013.

    Parameters
    ----------
    scores : torch.Tensor of shape (batch_size, n_prototypes)
        Cosines of images and prototypes.
    temperature : float, default=0.05
        Divisor :math:`\varepsilon > 0` of the scores; small values sharpen.
    n_iterations : int, default=3
        Turns; shares are the more equal the more there are.

    Returns
    -------
    torch.Tensor of shape (batch_size, n_prototypes)

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import sinkhorn
    >>> sinkhorn(torch.tensor([[0.9, 0.0], [0.8, 0.0]])).round(decimals=2)
    tensor([[0.7300, 0.2700],
            [0.2700, 0.7300]])
    """
    logits = at_least_float32(scores) / temperature
    for _ in range(n_iterations):
        logits = logits.log_softmax(dim=0).log_softmax(dim=1)
    return logits.exp()


class ConsensusLoss(nn.Module):
    r"""Predict the code of an image's other view in many random projections.

    With :math:`A_m` fixed Gaussian matrices, the prediction :math:`p_m` of a view
    :math:`v` is the softmax of :math:`\cos(A_m v, A_m \mu_k) / 0.1` over the prototypes
    :math:`\mu_k`; :math:`q` is its code, by :func:`sinkhorn` on :math:`\cos(v, \mu_k)`.
    With the cross-entropy CE,

    .. math::

        L = \frac{1}{M} \sum_{m=1}^{M} \frac{1}{2} \Bigl(
            \mathrm{CE}(q^b, p^a_m) + \mathrm{CE}(q^a, p^b_m) \Bigr) .

    Codes are constants for the gradient; views and prototypes get one through the
    predictions. Source: Deshmukh et al., ConCURL, 2021, arXiv:2105.01289.

    Parameters
    ----------
    n_features : int
        Width of views and prototypes.
    n_projections : int, default=16
        Number :math:`M` of projections, which torch's generator draws.
    projection_dim : int, default=88
        Width of a projection.
    temperature : float, default=0.1
        Divisor of the cosines in predictions.
    """

    projections: Tensor

    def __init__(
        self,
        n_features: int,
        n_projections: int = 16,
        projection_dim: int = 88,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        shape = (n_projections, n_features, projection_dim)
        self.register_buffer("projections", torch.randn(shape))
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor, prototypes: Tensor) -> Tensor:
        """Return the loss of two views (batch_size, n_features), of any length.

        Prototypes have shape (n_prototypes, n_features).
        """
        views = at_least_float32(torch.stack([first, second]))
        prototypes = at_least_float32(prototypes)
        codes = [sinkhorn(_cosines(view, prototypes)) for view in views.flip(0)]
        with torch.autocast(device_type=views.device.type, enabled=False):
            projections = self.projections.to(views.dtype)
            logits = _cosines(views[:, None] @ projections, prototypes @ projections)
        # (2, n_projections, batch_size, n_prototypes)
        predictions = (logits / self.temperature).log_softmax(dim=3)
        return -(torch.stack(codes)[:, None] * predictions).sum(dim=3).mean()


class PrototypeInformationLoss(nn.Module):
    r"""Let clusters tell much about prototypes, and share the images equally.

    With :math:`Y` the cluster and :math:`U` the prototype of an image, whose joint
    distribution is the mean over the batch of :math:`p_{ik} u_{ij}`,

    .. math:: L = H(Y | U) - \beta H(Y) .

    At :math:`\beta = 1` that is minus their mutual information. Source: Ntelemis, Jin,
    Thomas, IMC-SwAV, 2022, arXiv:2103.07368.

    Parameters
    ----------
    entropy_weight : float, default=4.0
        Weight :math:`\beta` of the entropy of the clusters.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import PrototypeInformationLoss
    >>> crisp = torch.eye(4).repeat(3, 1)  # 12 images in 4 clusters
    >>> round(PrototypeInformationLoss()(crisp, crisp).item(), 4)  # -4 log 4
    -5.5452
    """

    def __init__(self, entropy_weight: float = 4.0) -> None:
        super().__init__()
        self.entropy_weight = entropy_weight

    def forward(self, assignment: Tensor, prototypes: Tensor) -> Tensor:
        """Return the loss of assignments (batch_size, n_clusters).

        `prototypes` holds their probabilities, of shape (batch_size, n_prototypes).
        """
        assignment = at_least_float32(assignment)
        prototypes = at_least_float32(prototypes)
        with torch.autocast(device_type=assignment.device.type, enabled=False):
            joint = assignment.T @ prototypes / len(assignment)
        h_joint, h_prototypes, h_clusters = (
            -(share * floored_log(share)).sum()
            for share in (joint, joint.sum(dim=0), joint.sum(dim=1))
        )
        return h_joint - h_prototypes - self.entropy_weight * h_clusters


def _cosines(rows: Tensor, prototypes: Tensor) -> Tensor:
    """Return cosines of (..., n_rows, dim) and (..., n_prototypes, dim)."""
    rows, prototypes = (
        functional.normalize(each, dim=-1) for each in (rows, prototypes)
    )
    with torch.autocast(device_type=rows.device.type, enabled=False):
        return rows @ prototypes.mT
