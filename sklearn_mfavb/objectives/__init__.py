"""What a method minimizes: which loss reads which output, with which weight.

An objective is called with the outputs that must agree, as `positives` of the pairs
names them, and returns weighted terms by name. Their sum is the loss.
"""

from sklearn_mfavb.objectives._concurl import ConCURLObjective
from sklearn_mfavb.objectives._contrastive import (
    AnchorObjective,
    ContrastiveObjective,
    ContrastiveTerms,
    InstanceObjective,
)
from sklearn_mfavb.objectives._crlc import CRLCObjective
from sklearn_mfavb.objectives._cueco import CueCoObjective
from sklearn_mfavb.objectives._graph import CrossInstanceObjective, GCCObjective
from sklearn_mfavb.objectives._imcswav import IMCSwAVObjective
from sklearn_mfavb.objectives._scan import SCANObjective, SelfLabelObjective
from sklearn_mfavb.objectives._temi import TEMIObjective

__all__ = [
    "AnchorObjective",
    "CRLCObjective",
    "ConCURLObjective",
    "ContrastiveObjective",
    "ContrastiveTerms",
    "CrossInstanceObjective",
    "CueCoObjective",
    "GCCObjective",
    "IMCSwAVObjective",
    "InstanceObjective",
    "SCANObjective",
    "SelfLabelObjective",
    "TEMIObjective",
]
