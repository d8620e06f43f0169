"""scikit-learn estimators: images or features in, labels out."""

from sklearn_mfavb.estimators._anchor import AnchorClustering
from sklearn_mfavb.estimators._augmentations import (
    Augmentation,
    as_augmentation,
    draw_image_views,
)
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._c3 import C3Clustering
from sklearn_mfavb.estimators._cc import ContrastiveClustering
from sklearn_mfavb.estimators._concurl import ConCURLClustering
from sklearn_mfavb.estimators._crlc import CRLCClustering
from sklearn_mfavb.estimators._cueco import CueCoClustering
from sklearn_mfavb.estimators._gcc import GCCClustering
from sklearn_mfavb.estimators._imcswav import IMCSwAVClustering
from sklearn_mfavb.estimators._inputs import (
    comparable_rows,
    looks_at_pixels,
    open_inputs,
    resolve_image_size,
)
from sklearn_mfavb.estimators._mfavb import MFAVBClustering
from sklearn_mfavb.estimators._prediction import Prediction
from sklearn_mfavb.estimators._scan import SCANClustering
from sklearn_mfavb.estimators._temi import TEMIClustering
from sklearn_mfavb.estimators._vtcc import VTCCClustering

__all__ = [
    "AnchorClustering",
    "Augmentation",
    "BaseImageClusterer",
    "C3Clustering",
    "CRLCClustering",
    "ConCURLClustering",
    "ContrastiveClustering",
    "CueCoClustering",
    "GCCClustering",
    "IMCSwAVClustering",
    "MFAVBClustering",
    "Prediction",
    "SCANClustering",
    "TEMIClustering",
    "VTCCClustering",
    "as_augmentation",
    "comparable_rows",
    "draw_image_views",
    "looks_at_pixels",
    "open_inputs",
    "resolve_image_size",
]
