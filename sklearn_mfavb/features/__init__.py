"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._frozen import (
    FLOATS,
    apply_encoders,
    as_transformer,
    fit_encoders,
    is_precomputed,
    update_paths,
)
from sklearn_mfavb.features._table import FeatureTable, FrozenEncoder
from sklearn_mfavb.features._text import embed_words

__all__ = [
    "FLOATS",
    "CLIPFeatures",
    "Encoder",
    "FeatureTable",
    "FrozenEncoder",
    "apply_encoders",
    "as_transformer",
    "embed_words",
    "fit_encoders",
    "is_precomputed",
    "update_paths",
]
