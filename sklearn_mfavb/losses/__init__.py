"""Losses: plain torch, for batches of any size on any device.

They are means over the batch, in nats, and float32 even under autocast (float64 for
float64 input).
"""

from sklearn_mfavb.losses._contrast import (
    ClusterContrastiveLoss,
    CompactnessLoss,
    InstanceContrastiveLoss,
    QueueContrastiveLoss,
    balance_loss,
    paired_contrast,
)
from sklearn_mfavb.losses._dec import (
    AnchorConsistencyLoss,
    DECLoss,
    student_t_assignment,
    target_distribution,
)
from sklearn_mfavb.losses._graph import (
    AssignmentContrastiveLoss,
    CrossInstanceLoss,
    NeighborContrastiveLoss,
)
from sklearn_mfavb.losses._pointwise import (
    MutualInformationLoss,
    PointwiseInformationLoss,
)
from sklearn_mfavb.losses._probability import ProbabilityContrastiveLoss
from sklearn_mfavb.losses._prototypes import (
    ConsensusLoss,
    PrototypeInformationLoss,
    sinkhorn,
)
from sklearn_mfavb.losses._scan import (
    SCANLoss,
    SelfLabelLoss,
    consistency_loss,
    entropy_of_mean,
)

__all__ = [
    "AnchorConsistencyLoss",
    "AssignmentContrastiveLoss",
    "ClusterContrastiveLoss",
    "CompactnessLoss",
    "ConsensusLoss",
    "CrossInstanceLoss",
    "DECLoss",
    "InstanceContrastiveLoss",
    "MutualInformationLoss",
    "NeighborContrastiveLoss",
    "PointwiseInformationLoss",
    "ProbabilityContrastiveLoss",
    "PrototypeInformationLoss",
    "QueueContrastiveLoss",
    "SCANLoss",
    "SelfLabelLoss",
    "balance_loss",
    "consistency_loss",
    "entropy_of_mean",
    "paired_contrast",
    "sinkhorn",
    "student_t_assignment",
    "target_distribution",
]
