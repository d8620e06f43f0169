"""A vision transformer with a convolutional stem."""

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._layers import (
    LayerNorm,
    cache_rows,
    make_layers,
    read_tokens,
    with_channels_last,
)
from sklearn_mfavb.views import View


class ConvStem(nn.Module):
    """Stride-two 3x3 convolutions followed by a 1x1 projection.

    One convolution with batch normalization and ReLU per halving of the image; the
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
        maps = self.layers(with_channels_last(images))
        return maps.flatten(2).transpose(1, 2)


def sine_positions(grid_size: tuple[int, int], embed_dim: int) -> Tensor:
    """Make the fixed two-dimensional sine-cosine position code of MoCo v3 and VTCC.

    With frequencies ``10000 ** (-i / q)``, ``q = embed_dim / 4``, a token at column x
    and row y gets ``[sin(x w), cos(x w), sin(y w), cos(y w)]``.

    Parameters
    ----------
    grid_size : tuple of int
        Rows and columns of tokens.
    embed_dim : int
        Width of the code; divisible by 4.

    Returns
    -------
    torch.Tensor of shape (n_rows * n_columns, embed_dim)
    """
    quarter = embed_dim // 4
    frequencies = 10000.0 ** (-torch.arange(quarter, dtype=torch.float32) / quarter)
    rows, columns = torch.meshgrid(
        *(torch.arange(side, dtype=torch.float32) for side in grid_size), indexing="ij"
    )
    x = columns.reshape(-1, 1) * frequencies
    y = rows.reshape(-1, 1) * frequencies
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1)


class ConvStemViT(Backbone):
    """Vision transformer that sees every view alone (the backbone of VTCC).

    Images become tokens by early convolutions, a class token joins them, fixed
    positions are added, pre-norm layers mix them, and the normalized class token is the
    embedding (VTCC, arXiv 2206.12925).

    The features of every frozen encoder, linearly projected, are one more token (the
    CLIP token of MFAVBs, arXiv 2511.08883). `embed` makes the tokens, `encode` mixes
    any number of them into the class token, which `norm` normalizes.

    Parameters
    ----------
    grid_size : tuple of int or None
        Rows and columns of patch tokens; None if there are no pixels.
    n_channels : int
        Channels of the images.
    patch_size : int
        Side in pixels of the square behind one token; a power of two.
    embed_dim : int
        Width of the tokens and of the embedding.
    n_heads : int
        Attention heads.
    depth : int
        Layers.
    feature_dims : tuple of int, default=()
        Number of features of each encoder.

    Raises
    ------
    ValueError
        If there are neither pixels nor features.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import ConvStemViT
    >>> from sklearn_mfavb.views import View
    >>> vit = ConvStemViT(
    ...     (4, 4), n_channels=1, patch_size=2, embed_dim=32, n_heads=2, depth=1
    ... )
    >>> vit(View(torch.zeros(3, 1, 8, 8))).shape
    torch.Size([3, 32])
    """

    def __init__(
        self,
        grid_size: tuple[int, int] | None,
        *,
        n_channels: int,
        patch_size: int,
        embed_dim: int,
        n_heads: int,
        depth: int,
        feature_dims: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if grid_size is None and not feature_dims:
            raise ValueError("A network without pixels needs features (feature_dims).")
        self.embed_dim = embed_dim
        self.feature_dims = feature_dims
        self.stem: nn.Module | None = None
        positions = None
        if grid_size is not None:
            self.stem = ConvStem(n_channels, embed_dim, patch_size)
            positions = sine_positions(grid_size, embed_dim)
        self.feature_tokens = nn.ModuleList(
            nn.Linear(dim, embed_dim) for dim in feature_dims
        )
        self.class_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        nn.init.normal_(self.class_token, std=1e-6)
        self.register_buffer("positions", positions, persistent=False)
        self.layers = make_layers(depth, embed_dim, n_heads)
        self.norm = LayerNorm(embed_dim)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay spares, as timm's models do."""
        return {"class_token"}

    def embed(self, view: View) -> Tensor:
        """Make the tokens of a batch: class token, feature tokens, patches.

        Parameters
        ----------
        view : View
            What the network was built for: images, features or both.

        Returns
        -------
        torch.Tensor of shape (batch_size, n_tokens, embed_dim)
            One class token, one token for every encoder, one for every patch.
        """
        parts = []
        if self.feature_tokens:
            features = cast(Tensor, view.features).split(self.feature_dims, dim=1)
            parts = [
                project(part)[:, None]
                for project, part in zip(self.feature_tokens, features, strict=True)
            ]
        if self.stem is not None:
            patches = self.stem(view.images)
            # In the stem's arithmetic: float32 positions would keep the tokens of all
            # layers in float32, and under bfloat16 a step took 1.3 times as long.
            parts.append(patches + self.positions.to(patches.dtype))
        class_token = self.class_token.expand(len(parts[0]), -1, -1)
        return torch.cat([class_token.to(parts[0].dtype), *parts], dim=1)

    def encode(self, tokens: Tensor) -> Tensor:
        """Mix the tokens of single views, and read the class tokens.

        Parameters
        ----------
        tokens : torch.Tensor of shape (batch_size, n_tokens, embed_dim)
            Any number of them; the first is the class token.

        Returns
        -------
        torch.Tensor of shape (batch_size, embed_dim)
        """
        parts = tokens.split(cache_rows(tokens))
        return torch.cat([self._encode_part(part) for part in parts])

    def _encode_part(self, tokens: Tensor) -> Tensor:
        """Encode as many views as fit into the cache."""
        return read_tokens(self.layers, tokens, step=tokens.shape[1])[:, 0]

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        return self.norm(self.encode(self.embed(view)))


def initialize_like_vtcc(vit: ConvStemViT) -> ConvStemViT:
    """Initialize the weights of the transformer as VTCC (arXiv 2206.12925) does.

    Xavier-uniform linear layers without bias, the three matrices behind queries, keys
    and values each by itself; the stem keeps torch's weights.

    Parameters
    ----------
    vit : ConvStemViT
        Is changed.

    Returns
    -------
    ConvStemViT
        The same network.
    """
    for name, module in vit.layers.named_modules():
        if isinstance(module, nn.Linear):
            parts = module.weight.chunk(3) if name.endswith("qkv") else [module.weight]
            for part in parts:
                nn.init.xavier_uniform_(part)
            nn.init.zeros_(module.bias)
    return vit
