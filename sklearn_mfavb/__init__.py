"""Deep image clustering without labels, as scikit-learn estimators."""

from sklearn_mfavb.estimators import (
    AnchorClustering,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
)
from sklearn_mfavb.features import CLIPFeatures

__all__ = [
    "AnchorClustering",
    "CLIPFeatures",
    "ContrastiveClustering",
    "CueCoClustering",
    "MFAVBClustering",
    "SCANClustering",
    "VTCCClustering",
]
__version__ = "0.1.0"
