"""Deep image clustering without labels, as scikit-learn estimators."""

from sklearn_mfavb.estimators import MFAVBClustering

__all__ = ["MFAVBClustering"]
__version__ = "0.1.0"
