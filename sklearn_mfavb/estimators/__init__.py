"""scikit-learn estimators: images or features in, labels out."""

from sklearn_mfavb.estimators._anchor import AnchorClustering
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._cc import ContrastiveClustering
from sklearn_mfavb.estimators._cueco import CueCoClustering
from sklearn_mfavb.estimators._mfavb import MFAVBClustering
from sklearn_mfavb.estimators._scan import SCANClustering
from sklearn_mfavb.estimators._views import Augmentation
from sklearn_mfavb.estimators._vtcc import VTCCClustering

__all__ = [
    "AnchorClustering",
    "Augmentation",
    "BaseImageClusterer",
    "ContrastiveClustering",
    "CueCoClustering",
    "MFAVBClustering",
    "SCANClustering",
    "VTCCClustering",
]
