"""Features of pretrained image encoders, computed once and kept."""

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._encoder import Encoder

__all__ = ["CLIPFeatures", "Encoder"]
