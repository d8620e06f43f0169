"""What a method minimises: which loss reads which output, with which weight."""

from sklearn_mfavb.objectives._anchor import AnchorObjective
from sklearn_mfavb.objectives._contrastive import ContrastiveObjective, ContrastiveTerms
from sklearn_mfavb.objectives._cueco import CueCoObjective
from sklearn_mfavb.objectives._instance import InstanceObjective
from sklearn_mfavb.objectives._scan import SCANObjective, SelfLabelObjective

__all__ = [
    "AnchorObjective",
    "ContrastiveObjective",
    "ContrastiveTerms",
    "CueCoObjective",
    "InstanceObjective",
    "SCANObjective",
    "SelfLabelObjective",
]
