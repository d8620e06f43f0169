"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._architecture import Architecture
from sklearn_mfavb.features._cache import FeatureStore
from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._extraction import extract_features
from sklearn_mfavb.features._loading import load_encoder, rebuild_encoder
from sklearn_mfavb.features._preprocessing import Preprocessing

__all__ = [
    "Architecture",
    "CLIPFeatures",
    "Encoder",
    "FeatureStore",
    "Preprocessing",
    "extract_features",
    "load_encoder",
    "rebuild_encoder",
]
