"""Networks that turn a batch of images into one embedding per image."""

from sklearn_mfavb.backbones._attention import choose_attention
from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._conv_stem import ConvStem
from sklearn_mfavb.backbones._fusing import FusingAugmentingBlock, FusingAugmentingViT
from sklearn_mfavb.backbones._sizes import ViTSize, resolve_vit_size
from sklearn_mfavb.backbones._vit import ConvStemViT

__all__ = [
    "Backbone",
    "ConvStem",
    "ConvStemViT",
    "FusingAugmentingBlock",
    "FusingAugmentingViT",
    "ViTSize",
    "choose_attention",
    "resolve_vit_size",
]
