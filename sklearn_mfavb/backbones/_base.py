"""What every backbone offers to the heads above it."""

from abc import ABC, abstractmethod
from typing import cast

from torch import Tensor, nn

from sklearn_mfavb.views import View


class Backbone(nn.Module, ABC):
    """Network from views, with normalized images, to one embedding per image.

    Attributes
    ----------
    embed_dim : int
        Width of the embedding.
    """

    embed_dim: int

    @abstractmethod
    def forward(self, view: View) -> Tensor:
        """Embed single views.

        Parameters
        ----------
        view : View
            One view of every image; its images are normalized.

        Returns
        -------
        torch.Tensor of shape (batch_size, embed_dim)
        """

    def forward_pair(self, first: View, second: View) -> tuple[Tensor, Tensor]:
        """Embed two views of the same images; a fusing backbone mixes them here.

        The default runs each view alone, both in one batch.

        Parameters
        ----------
        first, second : View
            Normalized views; row i of both shows image i.

        Returns
        -------
        tuple of two torch.Tensor of shape (batch_size, embed_dim)
        """
        embedding_first, embedding_second = self(first.stack(second)).chunk(2)
        return embedding_first, embedding_second


class FeatureBackbone(Backbone):
    """Return the features of a view, for heads on frozen encoders.

    Parameters
    ----------
    feature_dims : tuple of int
        Number of features of each encoder.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import FeatureBackbone
    >>> from sklearn_mfavb.views import View
    >>> FeatureBackbone((5,))(View(None, torch.zeros(3, 5))).shape
    torch.Size([3, 5])
    """

    def __init__(self, feature_dims: tuple[int, ...]) -> None:
        super().__init__()
        self.embed_dim = sum(feature_dims)

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        return cast(Tensor, view.features)
