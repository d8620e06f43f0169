"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._frozen import (
    FrozenEncoder,
    apply_encoders,
    as_transformer,
    fit_encoders,
    is_precomputed,
    restore_features,
    take_places,
)
from sklearn_mfavb.features._text import embed_words

__all__ = [
    "CLIPFeatures",
    "Encoder",
    "FrozenEncoder",
    "apply_encoders",
    "as_transformer",
    "embed_words",
    "fit_encoders",
    "is_precomputed",
    "restore_features",
    "take_places",
]
