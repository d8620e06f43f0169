"""Features as one half of a fused pair, and pixels or other features as its other half.

It is an experiment on fusion, which lost: docs/measured.md has the table.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from sklearn_mfavb.augmentation import Identity, make_views
from sklearn_mfavb.backbones import FusingAugmentingViT, resolve_vit_size
from sklearn_mfavb.backbones._layers import read_tokens
from sklearn_mfavb.views import View

__all__ = ["ONE_VIEW", "build_halves"]

# Halves are made of the first view alone: the second one should not take time.
ONE_VIEW = (make_views("characters", (16, 16))[0], Identity())


class Halves(FusingAugmentingViT):
    """Fuse the token of the first encoder with all other tokens of the same view."""

    def forward_pair(self, first: View, second: View) -> tuple[Tensor, Tensor]:
        """Make both halves of the first view; each has the class token."""
        tokens = self.embed(first)
        rest = torch.cat([tokens[:, :1], tokens[:, 2:]], dim=1)
        one, other = self.encode_pair(rest, tokens[:, :2])
        return self.norm(one), self.norm(other)

    def forward(self, view: View) -> Tensor:
        """Average both halves."""
        one, other = self.forward_pair(view, view)
        return (one + other) / 2

    def _encode_pairs(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse halves of different lengths, the longer one first."""
        n_tokens = first.shape[1]
        *blocks, last = self._blocks()
        for block in blocks:
            both = torch.cat([block.shared(first), block.shared(second)], dim=1)
            both = block.fused(both)
            first, second = both[:, :n_tokens], both[:, n_tokens:]
        both = torch.cat([last.shared(first), last.shared(second)], dim=1)
        one, other = read_tokens(last.fused, both, step=n_tokens).unbind(dim=1)
        return one, other


def build_halves(
    *, image_size: Any, n_channels: int, feature_dims: tuple[int, ...]
) -> Halves:
    """Build blocks of the size that fused views have."""
    depths = {"n_blocks": 2, "shared_depth": 1, "fused_depth": 1}
    size = resolve_vit_size(image_size, None, **depths, has_features=True)
    return Halves(**asdict(size), n_channels=n_channels, feature_dims=feature_dims)
