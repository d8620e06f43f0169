"""Networks that turn a batch of images into one embedding per image."""

from sklearn_mfavb.backbones._base import Backbone, FeatureBackbone
from sklearn_mfavb.backbones._build import (
    build_backbone,
    build_fusing_vit,
    build_plain_vit,
    sizes_of,
)
from sklearn_mfavb.backbones._fusing import FusingAugmentingBlock, FusingAugmentingViT
from sklearn_mfavb.backbones._layers import choose_attention
from sklearn_mfavb.backbones._mlp import FeatureMLP
from sklearn_mfavb.backbones._sizes import ViT, ViTSize, resolve_vit_size
from sklearn_mfavb.backbones._timm import TimmBackbone
from sklearn_mfavb.backbones._vit import ConvStem, ConvStemViT, initialize_like_vtcc

__all__ = [
    "Backbone",
    "ConvStem",
    "ConvStemViT",
    "FeatureBackbone",
    "FeatureMLP",
    "FusingAugmentingBlock",
    "FusingAugmentingViT",
    "TimmBackbone",
    "ViT",
    "ViTSize",
    "build_backbone",
    "build_fusing_vit",
    "build_plain_vit",
    "choose_attention",
    "initialize_like_vtcc",
    "resolve_vit_size",
    "sizes_of",
]
