"""Deep image clustering without labels, as scikit-learn estimators."""

from sklearn_mfavb.estimators import MFAVBClustering
from sklearn_mfavb.features import CLIPFeatures

__all__ = ["CLIPFeatures", "MFAVBClustering"]
__version__ = "0.1.0"
