"""What every backbone offers to the heads above it."""

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.views import View

_MOST_PIXELS = 16


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
    """Return the features of a view, and its pixels, for heads on what is given.

    Parameters
    ----------
    feature_dims : tuple of int
        Number of features of each encoder.
    image_size : tuple of int, default=None
        Height and width of images, which are averaged down to 16 pixels a side. None
        leaves pixels out.
    n_channels : int, default=0
        Channels of the images.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import FeatureBackbone
    >>> from sklearn_mfavb.views import View
    >>> FeatureBackbone((5,))(View(None, torch.zeros(3, 5))).shape
    torch.Size([3, 5])
    """

    def __init__(
        self,
        feature_dims: tuple[int, ...],
        image_size: tuple[int, int] | None = None,
        n_channels: int = 0,
    ) -> None:
        super().__init__()
        height, width = (min(side, _MOST_PIXELS) for side in image_size or (0, 0))
        self.grid = height, width
        self.embed_dim = sum(feature_dims) + n_channels * height * width

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        if not all(self.grid):
            return cast(Tensor, view.features)
        pixels = functional.adaptive_avg_pool2d(cast(Tensor, view.images), self.grid)
        rows = pixels.flatten(1)
        return rows if view.features is None else torch.cat([view.features, rows], 1)
