"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._frozen import (
    FLOATS,
    apply_encoders,
    fit_encoders,
    is_precomputed,
)
from sklearn_mfavb.features._table import FeatureTable, FrozenEncoder

__all__ = [
    "FLOATS",
    "CLIPFeatures",
    "Encoder",
    "FeatureTable",
    "FrozenEncoder",
    "apply_encoders",
    "fit_encoders",
    "is_precomputed",
]
