"""Deep image clustering without labels, as scikit-learn estimators."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_mfavb.backbones import ViT
    from sklearn_mfavb.baseline import KMeansClustering
    from sklearn_mfavb.estimators import (
        AnchorClustering,
        Augmentation,
        C3Clustering,
        ConCURLClustering,
        ContrastiveClustering,
        CRLCClustering,
        CueCoClustering,
        GCCClustering,
        IMCSwAVClustering,
        MFAVBClustering,
        SCANClustering,
        TEMIClustering,
        VTCCClustering,
    )
    from sklearn_mfavb.features import CLIPFeatures
    from sklearn_mfavb.images import Reading
    from sklearn_mfavb.model_selection import NClustersSelector
    from sklearn_mfavb.objectives import ContrastiveTerms
    from sklearn_mfavb.persistence import load
    from sklearn_mfavb.positives import Neighbors
    from sklearn_mfavb.training import Training

__all__ = [
    "AnchorClustering",
    "Augmentation",
    "C3Clustering",
    "CLIPFeatures",
    "CRLCClustering",
    "ConCURLClustering",
    "ContrastiveClustering",
    "ContrastiveTerms",
    "CueCoClustering",
    "GCCClustering",
    "IMCSwAVClustering",
    "KMeansClustering",
    "MFAVBClustering",
    "NClustersSelector",
    "Neighbors",
    "Reading",
    "SCANClustering",
    "TEMIClustering",
    "Training",
    "VTCCClustering",
    "ViT",
    "load",
]
__version__ = "0.1.0"

_ROOMS = {  # of all others: estimators
    "CLIPFeatures": "features",
    "ContrastiveTerms": "objectives",
    "KMeansClustering": "baseline",
    "NClustersSelector": "model_selection",
    "Neighbors": "positives",
    "Reading": "images",
    "Training": "training",
    "ViT": "backbones",
    "load": "persistence",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: ``sklearn-mfavb --help`` needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f"{__name__}.{_ROOMS.get(name, 'estimators')}")
    return globals().setdefault(name, getattr(room, name))


def __dir__() -> list[str]:
    """List what can be used, whether it was imported or not."""
    return sorted({*globals(), *__all__})
