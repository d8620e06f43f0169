"""Early convolutions that turn an image into tokens."""

import math
from itertools import pairwise

from torch import Tensor, nn

from sklearn_mfavb.backbones._memory import channels_last_on_cpu


class ConvStem(nn.Module):
    """Stride-two 3x3 convolutions followed by a 1x1 projection.

    One convolution with batch normalisation and ReLU per halving of the image; the
    width doubles at each and ends at `embed_dim`. At ``patch_size=16`` these are the
    four convolutions of VTCC (arXiv 2206.12925): 3, d/8, d/4, d/2, d, then 1x1.

    Parameters
    ----------
    n_channels : int
        Channels of the images.
    embed_dim : int
        Width of the tokens.
    patch_size : int
        Side in pixels of the square that one token stands for; a power of two.
        Images whose sides are no multiple of it are padded with zeros.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import ConvStem
    >>> ConvStem(3, 64, 4)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64, 64])
    """

    def __init__(self, n_channels: int, embed_dim: int, patch_size: int) -> None:
        super().__init__()
        n_halvings = int(math.log2(patch_size))
        widths = [n_channels]
        widths += [embed_dim // 2 ** (n_halvings - 1 - i) for i in range(n_halvings)]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [
                nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], embed_dim, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Turn images into tokens, row by row.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)

        Returns
        -------
        torch.Tensor of shape (batch_size, n_tokens, embed_dim)
        """
        maps = self.layers(channels_last_on_cpu(images))
        return maps.flatten(2).transpose(1, 2)
