"""The scikit-learn side: parameters and images in, labels out."""

from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._mfavb import MFAVBClustering

__all__ = ["BaseImageClusterer", "MFAVBClustering"]
