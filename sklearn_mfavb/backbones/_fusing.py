"""Fusing-augmenting ViT blocks: what this package is about."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones._layers import cache_rows, make_layers, read_tokens
from sklearn_mfavb.backbones._vit import ConvStemViT
from sklearn_mfavb.views import View


class FusingAugmentingBlock(nn.Module):
    """One FAVB: a shared small ViT on each view, then a larger one on both.

    With X^a, X^b the tokens of the two views (n tokens each), S the small and L the
    larger ViT::

        Y^v = S(X^v),  v = a, b             the same weights for both views
        G   = L([Y^a ; Y^b])                2n tokens
        X'^a = G[:n],  X'^b = G[n:]         the new positive pair

    (arXiv 2511.08883, abstract; concatenation along the tokens is from secondary
    summaries.) Nothing marks the view of a token. So there are two exact
    properties: exchanging the views exchanges the outputs, and two equal views give
    what one view gives alone, because attention over ``[X ; X]`` is attention over X.

    Parameters
    ----------
    embed_dim : int
        Width of the tokens.
    n_heads : int
        Attention heads.
    shared_depth : int
        Layers of the small ViT.
    fused_depth : int
        Layers of the larger ViT; 0 turns fusion off.
    """

    def __init__(
        self, embed_dim: int, *, n_heads: int, shared_depth: int, fused_depth: int
    ) -> None:
        super().__init__()
        self.shared = make_layers(shared_depth, embed_dim, n_heads)
        self.fused = make_layers(fused_depth, embed_dim, n_heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Run one view alone: what two equal views would give, at half the cost.

        Parameters
        ----------
        tokens : torch.Tensor of shape (batch_size, n_tokens, embed_dim)

        Returns
        -------
        torch.Tensor of shape (batch_size, n_tokens, embed_dim)
        """
        return self.fused(self.shared(tokens))

    def forward_pair(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse two views and split them again.

        Parameters
        ----------
        first, second : torch.Tensor of shape (batch_size, n_tokens, embed_dim)

        Returns
        -------
        tuple of two torch.Tensor of shape (batch_size, n_tokens, embed_dim)
        """
        views = self.shared(torch.cat([first, second]))
        if len(self.fused) == 0:
            first, second = views.chunk(2)
            return first, second
        both = self.fused(torch.cat(views.chunk(2), dim=1))
        first, second = both.chunk(2, dim=1)
        return first, second

    def read(self, tokens: Tensor) -> Tensor:
        """Run one view alone, and return the first token of what `forward` returns."""
        layers = [*self.shared, *self.fused]
        return read_tokens(layers, tokens, step=tokens.shape[1])[:, 0]

    def read_pair(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse two views; return the first token of what `forward_pair` returns."""
        n_tokens = first.shape[1]
        views = torch.cat([first, second])
        if len(self.fused) == 0:
            first, second = read_tokens(self.shared, views, step=n_tokens).chunk(2)
            return first[:, 0], second[:, 0]
        both = torch.cat(self.shared(views).chunk(2), dim=1)
        first, second = read_tokens(self.fused, both, step=n_tokens).unbind(dim=1)
        return first, second


class FusingAugmentingViT(ConvStemViT):
    """Vision transformer made of fusing-augmenting blocks (MFAVBs).

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
    n_blocks : int
        Fusing-augmenting blocks, each with its own weights.
    shared_depth : int
        Layers of each block that see one view.
    fused_depth : int
        Layers of each block that see both views; with 0 this is a `ConvStemViT`.
    feature_dims : tuple of int, default=()
        Number of features of each encoder.

    References
    ----------
    Wang et al., "Improve Contrastive Clustering Performance by Multiple
    Fusing-Augmenting ViT Blocks", arXiv 2511.08883.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import FusingAugmentingViT
    >>> from sklearn_mfavb.views import View
    >>> vit = FusingAugmentingViT(
    ...     (4, 4), n_channels=1, patch_size=2, embed_dim=32, n_heads=2,
    ...     n_blocks=2, shared_depth=1, fused_depth=1,
    ... )
    >>> view = View(torch.rand(3, 1, 8, 8))
    >>> first, second = vit.eval().forward_pair(view, view)
    >>> torch.allclose(first, vit(view), atol=1e-5)
    True
    """

    def __init__(
        self,
        grid_size: tuple[int, int] | None,
        *,
        n_channels: int,
        patch_size: int,
        embed_dim: int,
        n_heads: int,
        n_blocks: int,
        shared_depth: int,
        fused_depth: int,
        feature_dims: tuple[int, ...] = (),
    ) -> None:
        super().__init__(
            grid_size,
            n_channels=n_channels,
            patch_size=patch_size,
            embed_dim=embed_dim,
            n_heads=n_heads,
            depth=0,
            feature_dims=feature_dims,
        )
        self.layers = nn.Sequential(
            *(
                FusingAugmentingBlock(
                    embed_dim,
                    n_heads=n_heads,
                    shared_depth=shared_depth,
                    fused_depth=fused_depth,
                )
                for _ in range(n_blocks)
            )
        )

    def _encode_part(self, tokens: Tensor) -> Tensor:
        """Encode as many views as fit into the cache."""
        *blocks, last = self._blocks()
        for block in blocks:
            tokens = block(tokens)
        return last.read(tokens)

    def encode_pair(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Pass the tokens of a pair through all blocks, and read the class tokens.

        Parameters
        ----------
        first, second : torch.Tensor of shape (batch_size, n_tokens, embed_dim)

        Returns
        -------
        tuple of two torch.Tensor of shape (batch_size, embed_dim)
        """
        n_rows = cache_rows(first, n_views=2)
        parts = map(self._encode_pairs, first.split(n_rows), second.split(n_rows))
        firsts, seconds = zip(*parts, strict=True)
        return torch.cat(firsts), torch.cat(seconds)

    def _encode_pairs(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Encode as many pairs as fit into the cache."""
        *blocks, last = self._blocks()
        for block in blocks:
            first, second = block.forward_pair(first, second)
        return last.read_pair(first, second)

    def forward_pair(self, first: View, second: View) -> tuple[Tensor, Tensor]:
        """Embed a pair of views that see each other; see `Backbone.forward_pair`."""
        tokens = self.embed(first.stack(second))
        one, other = self.encode_pair(*tokens.chunk(2))
        return self.norm(one), self.norm(other)

    def _blocks(self) -> Iterable[FusingAugmentingBlock]:
        """Return the chain of blocks."""
        return cast(Iterable[FusingAugmentingBlock], self.layers)
