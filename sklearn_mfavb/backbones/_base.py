"""What every backbone offers to the heads above it."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Network from normalised images to one embedding per image.

    Attributes
    ----------
    embed_dim : int
        Width of the embedding.
    """

    embed_dim: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Embed single views.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Normalised images.

        Returns
        -------
        torch.Tensor of shape (batch_size, embed_dim)
        """

    def forward_pair(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embed two views of the same images; a fusing backbone mixes them here.

        The default runs each view alone, both in one batch.

        Parameters
        ----------
        first, second : torch.Tensor of shape (batch_size, n_channels, height, width)
            Normalised views; row i of both shows image i.

        Returns
        -------
        tuple of two torch.Tensor of shape (batch_size, embed_dim)
        """
        embedding_first, embedding_second = self(torch.cat([first, second])).chunk(2)
        return embedding_first, embedding_second
