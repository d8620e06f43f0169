"""Batched augmentation on the device: draw parameters per image, then apply."""

from sklearn_mfavb.augmentation._blur import GaussianBlur
from sklearn_mfavb.augmentation._color import ColorJitter, Grayscale, Solarize
from sklearn_mfavb.augmentation._geometry import AffineCrop
from sklearn_mfavb.augmentation._presets import AUGMENTATIONS, make_views
from sklearn_mfavb.augmentation._transform import (
    Compose,
    Identity,
    Transform,
    UserTransform,
)
from sklearn_mfavb.augmentation._views import FeatureNoise, ViewAugmentation, ViewBank

__all__ = [
    "AUGMENTATIONS",
    "AffineCrop",
    "ColorJitter",
    "Compose",
    "FeatureNoise",
    "GaussianBlur",
    "Grayscale",
    "Identity",
    "Solarize",
    "Transform",
    "UserTransform",
    "ViewAugmentation",
    "ViewBank",
    "make_views",
]
