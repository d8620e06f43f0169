"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._frozen import (
    FrozenEncoder,
    apply_encoders,
    fit_encoders,
    is_precomputed,
    restore_features,
)
from sklearn_mfavb.features._text import embed_words

__all__ = [
    "CLIPFeatures",
    "Encoder",
    "FrozenEncoder",
    "apply_encoders",
    "embed_words",
    "fit_encoders",
    "is_precomputed",
    "restore_features",
]
