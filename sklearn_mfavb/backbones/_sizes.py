"""Sizes of vision transformers, chosen to suit the images."""

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, NamedTuple

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.parameters import ParameterGroup

Auto = Literal["auto"]
_AUTO_COUNT = [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]


class ViT(ParameterGroup):
    """Sizes of an estimator's own vision transformer.

    Parameters
    ----------
    embed_dim : int or "auto", default="auto"
        Width. ``"auto"``: 64, 128, 192 or 384 for longest sides up to 16, 64, 128 and
        above; 128 without pixels.
    n_heads : int or "auto", default="auto"
        Attention heads of every layer; must divide `embed_dim`. ``"auto"``: one for
        every 32 units of `embed_dim`, or the next fewer that divide it.
    patch_size : int or "auto", default="auto"
        Side in pixels of the square behind one token; a power of two. ``"auto"``: the
        smallest from 2 to 16 that gives at most 64 tokens (16 with an encoder).
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embed_dim": _AUTO_COUNT,
        "n_heads": _AUTO_COUNT,
        "patch_size": _AUTO_COUNT,
    }

    def __init__(
        self,
        *,
        embed_dim: int | Auto = "auto",
        n_heads: int | Auto = "auto",
        patch_size: int | Auto = "auto",
    ) -> None:
        self.embed_dim = embed_dim
        self.n_heads = n_heads
        self.patch_size = patch_size


@dataclass(frozen=True)
class ViTSize:
    """Sizes of a vision transformer made of fusing-augmenting blocks.

    Parameters
    ----------
    grid_size : tuple of int or None
        Rows and columns of patch tokens; None if there are no pixels.
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

    grid_size: tuple[int, int] | None
    patch_size: int
    embed_dim: int
    n_heads: int
    n_blocks: int
    shared_depth: int
    fused_depth: int


class _Preset(NamedTuple):
    """Sizes that suit images up to a longest side."""

    longest_side: float
    embed_dim: int
    depth: int  # layers of a block
    fused_depth: int  # those of them that see both views


# The last row has the width and depth of VTCC's ViT-Small (8 layers, 384 wide).
_PRESETS = (
    _Preset(longest_side=16, embed_dim=64, depth=2, fused_depth=1),
    _Preset(longest_side=64, embed_dim=128, depth=2, fused_depth=1),
    _Preset(longest_side=128, embed_dim=192, depth=4, fused_depth=2),
    _Preset(longest_side=math.inf, embed_dim=384, depth=4, fused_depth=2),
)
_LARGEST_PATCH = 16
_HEAD_WIDTH = 32  # VTCC: 12 heads at width 384
# Without pixels: the width that images of 64 pixels get, and layers that see one view.
# Fusing features alone made labels of different seeds differ more.
_WITHOUT_PIXELS = _Preset(longest_side=0, embed_dim=128, depth=2, fused_depth=0)
_MOST_TOKENS, _MOST_TOKENS_BESIDE_FEATURES = 64, 16


def _auto_patch_size(image_size: tuple[int, int], most_tokens: int) -> int:
    """Find the smallest patch that makes at most `most_tokens` of an image."""
    patch_size = 2
    while patch_size < _LARGEST_PATCH:
        rows, columns = _make_grid(image_size, patch_size)
        if rows * columns <= most_tokens:
            break
        patch_size *= 2
    return patch_size


def _make_grid(image_size: tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Count the rows and columns of the patches that cover an image."""
    height, width = image_size
    return math.ceil(height / patch_size), math.ceil(width / patch_size)


def _auto_n_heads(embed_dim: int) -> int:
    """Find the largest divisor of the width that leaves heads 32 wide or wider."""
    most = max(1, embed_dim // _HEAD_WIDTH)
    return next(n for n in range(most, 0, -1) if embed_dim % n == 0)


def resolve_vit_size(
    image_size: tuple[int, int] | None,
    sizes: ViT | None = None,
    *,
    n_blocks: int = 2,
    shared_depth: int | Auto = "auto",
    fused_depth: int | Auto = "auto",
    has_features: bool = False,
) -> ViTSize:
    """Replace every ``"auto"`` by a size that suits the images.

    Parameters
    ----------
    image_size : tuple of int or None
        Height and width of the images in pixels; None if there are no pixels.
    sizes : ViT, default=None
        Width, heads and patches; None stands for ``ViT()``.
    n_blocks : int, default=2
        Fusing-augmenting blocks.
    shared_depth, fused_depth : int or "auto", default="auto"
        Layers of a block. ``"auto"``: fused ones are 1 for longest sides up to 64, else
        2, and 0 without pixels; shared ones are what those leave of 2, or of 4 for
        longest sides over 64, at least 1.
    has_features : bool, default=False
        Whether there are features too; the pixels then get fewer tokens.

    Returns
    -------
    ViTSize

    Raises
    ------
    ValueError
        If `patch_size` is not a power of two, or `embed_dim` cannot be divided by 4, by
        `n_heads` and by half of `patch_size`.

    Examples
    --------
    >>> from sklearn_mfavb.backbones import resolve_vit_size
    >>> resolve_vit_size((224, 224)).grid_size
    (14, 14)
    """
    sizes = sizes or ViT()
    preset, patch_size = _WITHOUT_PIXELS, 1
    if image_size is not None:
        preset = next(row for row in _PRESETS if max(image_size) <= row.longest_side)
        most = _MOST_TOKENS_BESIDE_FEATURES if has_features else _MOST_TOKENS
        patch_size = _auto_patch_size(image_size, most)
    embed_dim = preset.embed_dim if sizes.embed_dim == "auto" else sizes.embed_dim
    n_heads = _auto_n_heads(embed_dim) if sizes.n_heads == "auto" else sizes.n_heads
    patch_size = patch_size if sizes.patch_size == "auto" else sizes.patch_size
    fused_depth = preset.fused_depth if fused_depth == "auto" else fused_depth
    rest = max(1, preset.depth - fused_depth)
    size = ViTSize(
        grid_size=None if image_size is None else _make_grid(image_size, patch_size),
        patch_size=patch_size,
        embed_dim=embed_dim,
        n_heads=n_heads,
        n_blocks=n_blocks,
        shared_depth=rest if shared_depth == "auto" else shared_depth,
        fused_depth=fused_depth,
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
