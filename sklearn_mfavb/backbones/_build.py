"""From an estimator's parameter `backbone` to a network."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import nn

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._sizes import ViT
from sklearn_mfavb.backbones._timm import TimmBackbone
from sklearn_mfavb.views import ViewShape

BackboneChoice = str | ViT | Callable[..., Backbone]


def build_backbone(
    backbone: Any, shape: ViewShape, default: Callable[[], Backbone]
) -> Backbone:
    """Build the network that an estimator was asked for.

    Parameters
    ----------
    backbone : str, ViT or callable
        ``"auto"`` and sizes stand for the default, another string for a network of timm.
        A callable is called with the attributes of `shape` as keywords.
    shape : ViewShape
        What the network looks at.
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
