"""The size table of the vision transformers, by the size of the images."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class ViTSize:
    """Sizes of a vision transformer made of fusing-augmenting blocks.

    Parameters
    ----------
    image_size : tuple of int
        Height and width of the images in pixels.
    patch_size : int
        Side in pixels of the square behind one token.
    embed_dim : int
        Width of the tokens.
    n_heads : int
        Attention heads of every layer.
    n_blocks : int
        Fusing-augmenting blocks.
    shared_depth : int
        Layers of every block that see one view alone.
    fused_depth : int
        Layers of every block that see both views of a pair.
    """

    image_size: tuple[int, int]
    patch_size: int
    embed_dim: int
    n_heads: int
    n_blocks: int
    shared_depth: int
    fused_depth: int

    @property
    def grid_size(self) -> tuple[int, int]:
        """Rows and columns of patch tokens."""
        height, width = self.image_size
        return math.ceil(height / self.patch_size), math.ceil(width / self.patch_size)


class _Preset(NamedTuple):
    """Sizes that suit images up to a longest side."""

    longest_side: float
    embed_dim: int
    shared_depth: int
    fused_depth: int


# The last row has the width and depth of VTCC's ViT-Small (8 layers, 384 wide).
_PRESETS = (
    _Preset(longest_side=16, embed_dim=64, shared_depth=1, fused_depth=1),
    _Preset(longest_side=64, embed_dim=128, shared_depth=1, fused_depth=1),
    _Preset(longest_side=128, embed_dim=192, shared_depth=2, fused_depth=2),
    _Preset(longest_side=math.inf, embed_dim=384, shared_depth=2, fused_depth=2),
)
_LARGEST_PATCH = 16
_HEAD_WIDTH = 32  # VTCC: 12 heads at width 384

Auto = Literal["auto"]


def _auto_patch_size(image_size: tuple[int, int], most_tokens: int) -> int:
    """Find the smallest patch that keeps an image within so many tokens."""
    height, width = image_size
    patch_size = 2
    while (
        math.ceil(height / patch_size) * math.ceil(width / patch_size) > most_tokens
        and patch_size < _LARGEST_PATCH
    ):
        patch_size *= 2
    return patch_size


def _auto_n_heads(embed_dim: int) -> int:
    """Find the largest divisor of the width that leaves heads 32 wide or wider."""
    most = max(1, embed_dim // _HEAD_WIDTH)
    return next(n for n in range(most, 0, -1) if embed_dim % n == 0)


def resolve_vit_size(
    image_size: tuple[int, int],
    *,
    patch_size: int | Auto = "auto",
    embed_dim: int | Auto = "auto",
    n_heads: int | Auto = "auto",
    n_blocks: int = 2,
    shared_depth: int | Auto = "auto",
    fused_depth: int | Auto = "auto",
    most_tokens: int = 64,
) -> ViTSize:
    """Replace every ``"auto"`` by a size that suits the images.

    Parameters
    ----------
    image_size : tuple of int
        Height and width of the images in pixels.
    patch_size : int or "auto", default="auto"
        ``"auto"``: the smallest power of two from 2 to 16 that gives at most
        `most_tokens` tokens.
    embed_dim : int or "auto", default="auto"
        ``"auto"``: 64, 128, 192 or 384 for longest sides up to 16, 64, 128 and above.
    n_heads : int or "auto", default="auto"
        ``"auto"``: one for every 32 units of `embed_dim`, or the next fewer that divide
        it.
    n_blocks : int, default=2
        Fusing-augmenting blocks.
    shared_depth, fused_depth : int or "auto", default="auto"
        ``"auto"``: 1 each for longest sides up to 64, else 2.
    most_tokens : int, default=64
        See `patch_size`.

    Returns
    -------
    ViTSize

    Raises
    ------
    ValueError
        If `patch_size` is no power of two, or `embed_dim` cannot be divided by 4, by
        `n_heads` and by half of `patch_size`.

    Examples
    --------
    >>> from sklearn_mfavb.backbones import resolve_vit_size
    >>> resolve_vit_size((224, 224)).grid_size
    (14, 14)
    """
    preset = next(row for row in _PRESETS if max(image_size) <= row.longest_side)
    if patch_size == "auto":
        patch_size = _auto_patch_size(image_size, most_tokens)
    if embed_dim == "auto":
        embed_dim = preset.embed_dim
    size = ViTSize(
        image_size=image_size,
        patch_size=patch_size,
        embed_dim=embed_dim,
        n_heads=_auto_n_heads(embed_dim) if n_heads == "auto" else n_heads,
        n_blocks=n_blocks,
        shared_depth=preset.shared_depth if shared_depth == "auto" else shared_depth,
        fused_depth=preset.fused_depth if fused_depth == "auto" else fused_depth,
    )
    _check_vit_size(size)
    return size


def _check_vit_size(size: ViTSize) -> None:
    """Raise if the sizes do not go together."""
    if size.patch_size & (size.patch_size - 1):
        raise ValueError(
            f"patch_size={size.patch_size} must be a power of two: the stem halves "
            "the image once per factor of two."
        )
    for divisor, reason in (
        (4, "the four parts of its position code"),
        (size.n_heads, "its attention heads (n_heads)"),
        (max(1, size.patch_size // 2), "the doubling widths of its stem (patch_size)"),
    ):
        if size.embed_dim % divisor:
            raise ValueError(
                f"embed_dim={size.embed_dim} must be divisible by {divisor}, for "
                f"{reason}."
            )
    if size.shared_depth + size.fused_depth == 0:
        raise ValueError(
            "shared_depth and fused_depth are both 0: the network has no layers."
        )
