"""Networks that turn a batch of images into one embedding per image."""

from sklearn_mfavb.backbones._attention import choose_attention
from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._build import build_backbone
from sklearn_mfavb.backbones._conv_stem import ConvStem
from sklearn_mfavb.backbones._features import FeatureBackbone
from sklearn_mfavb.backbones._fusing import FusingAugmentingBlock, FusingAugmentingViT
from sklearn_mfavb.backbones._sizes import ViT, ViTSize, resolve_vit_size
from sklearn_mfavb.backbones._timm import TimmBackbone
from sklearn_mfavb.backbones._vit import ConvStemViT, initialize_like_vtcc

__all__ = [
    "Backbone",
    "ConvStem",
    "ConvStemViT",
    "FeatureBackbone",
    "FusingAugmentingBlock",
    "FusingAugmentingViT",
    "TimmBackbone",
    "ViT",
    "ViTSize",
    "build_backbone",
    "choose_attention",
    "initialize_like_vtcc",
    "resolve_vit_size",
]
