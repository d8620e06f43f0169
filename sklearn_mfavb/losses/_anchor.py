"""Views of an image take over the clusters of the image itself."""

from torch import Tensor, nn

from sklearn_mfavb.losses._dec import mean_divergence


class AnchorConsistencyLoss(nn.Module):
    r"""Tie the assignments of two views to that of the image without augmentation.

    With :math:`q` the assignment of the image, its anchor, and :math:`q^a, q^b` those
    of its views,

    .. math::

        L = \frac{1}{n} \sum_{i=1}^{n} \Bigl(
            \mathrm{KL}(q_i \,\|\, q^a_i) + \mathrm{KL}(q_i \,\|\, q^b_i) \Bigr) .

    The anchor is a constant for the gradient, so the views follow it and it does not
    follow them.

    See Also
    --------
    DECLoss : Sharpen the anchor.

    References
    ----------
    Sundareswaran, Herrera-Gerena, Just, Jannesari, "Cluster Analysis with Deep
    Embeddings and Contrastive Learning", 2021, arXiv:2109.12714.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.losses import AnchorConsistencyLoss
    >>> anchor, unsure = torch.eye(2), torch.full((2, 2), 0.5)
    >>> round(AnchorConsistencyLoss()(anchor, anchor, unsure).item(), 4)  # log 2
    0.6931
    """

    def forward(self, anchor: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean loss of the images.

        Parameters
        ----------
        anchor : torch.Tensor of shape (batch_size, n_clusters)
            Cluster probabilities of the images; they get no gradient.
        first : torch.Tensor of shape (batch_size, n_clusters)
            Cluster probabilities of the first view, in the same order of images.
        second : torch.Tensor of shape (batch_size, n_clusters)
            Cluster probabilities of the second view, in the same order of images.

        Returns
        -------
        torch.Tensor of shape ()
            Float32 even under autocast, in nats.
        """
        return mean_divergence(anchor, first) + mean_divergence(anchor, second)
