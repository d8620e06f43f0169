"""From an estimator's parameter `backbone` to a network."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import nn

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._fusing import FusingAugmentingViT
from sklearn_mfavb.backbones._sizes import Auto, ViT, resolve_vit_size
from sklearn_mfavb.backbones._timm import TimmBackbone
from sklearn_mfavb.backbones._vit import ConvStemViT, initialize_like_vtcc
from sklearn_mfavb.views import ViewShape


def sizes_of(backbone: Any) -> ViT:
    """Return sizes in place of a short form, all at their defaults."""
    if not isinstance(backbone, str) or backbone != "auto":
        raise ValueError(
            f"backbone={backbone!r} has no parameters: set it to 'auto' or to "
            "ViT(...) first."
        )
    return ViT()


def build_backbone(
    backbone: Any, shape: ViewShape, default: Callable[[], Backbone]
) -> Backbone:
    """Build the network that an estimator was asked for.

    Parameters
    ----------
    backbone : str, ViT or callable
        ``"auto"`` and sizes stand for the default, another string for a network of
        timm. A callable is called with the attributes of `shape` as keywords.
    shape : ViewShape
        What the network sees.
    default : callable
        Builds the method's own network.

    Returns
    -------
    Backbone

    Raises
    ------
    ValueError
        If a network of timm is to look at features alone.
    TypeError
        If a callable does not build a `Backbone`.
    """
    if isinstance(backbone, ViT) or backbone == "auto":
        return default()
    if isinstance(backbone, str):
        if shape.image_size is None:
            raise ValueError(
                f"backbone={backbone!r} looks at pixels, which are left out: set "
                "use_pixels=True, or backbone='auto'."
            )
        return TimmBackbone(backbone, **asdict(shape))
    if isinstance(backbone, nn.Module):
        raise TypeError(
            "backbone must be a name or a function that builds a network, got the "
            f"network itself, a {type(backbone).__name__}."
        )
    built = backbone(**asdict(shape))
    if not isinstance(built, Backbone):
        raise TypeError(
            "backbone must build a sklearn_mfavb.backbones.Backbone, got a "
            f"{type(built).__name__}."
        )
    return built


def build_fusing_vit(
    shape: ViewShape,
    sizes: ViT | None,
    *,
    n_blocks: int,
    shared_depth: int | Auto,
    fused_depth: int | Auto,
) -> FusingAugmentingViT:
    """Build the transformer of MFAVB; see `resolve_vit_size` for the parameters."""
    size = resolve_vit_size(
        shape.image_size,
        sizes,
        n_blocks=n_blocks,
        shared_depth=shared_depth,
        fused_depth=fused_depth,
        has_features=bool(shape.feature_dims),
    )
    return FusingAugmentingViT(
        **asdict(size), n_channels=shape.n_channels, feature_dims=shape.feature_dims
    )


def build_plain_vit(
    shape: ViewShape, sizes: ViT | None, depth: int | Auto
) -> ConvStemViT:
    """Build the transformer of VTCC, by default as deep as MFAVB's blocks together."""
    size = resolve_vit_size(
        shape.image_size, sizes, has_features=bool(shape.feature_dims)
    )
    total = size.n_blocks * (size.shared_depth + size.fused_depth)
    vit = ConvStemViT(
        size.grid_size,
        n_channels=shape.n_channels,
        patch_size=size.patch_size,
        embed_dim=size.embed_dim,
        n_heads=size.n_heads,
        depth=total if depth == "auto" else depth,
        feature_dims=shape.feature_dims,
    )
    return initialize_like_vtcc(vit)
