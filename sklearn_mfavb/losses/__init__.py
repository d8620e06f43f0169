"""Losses: one idea per file, torch only, float32 inside, any batch size.

No loss knows the batch size or the device in advance, so the rows it is given may be
one batch or the batches of all ranks gathered.
"""

from sklearn_mfavb.losses._anchor import AnchorConsistencyLoss
from sklearn_mfavb.losses._cluster import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.losses._contrast import paired_contrast
from sklearn_mfavb.losses._dec import (
    DECLoss,
    student_t_assignment,
    target_distribution,
)
from sklearn_mfavb.losses._information import MutualInformationLoss
from sklearn_mfavb.losses._instance import InstanceContrastiveLoss
from sklearn_mfavb.losses._queue import CompactnessLoss, QueueContrastiveLoss
from sklearn_mfavb.losses._scan import (
    SCANLoss,
    SelfLabelLoss,
    consistency_loss,
    entropy_of_mean,
)

__all__ = [
    "AnchorConsistencyLoss",
    "ClusterContrastiveLoss",
    "CompactnessLoss",
    "DECLoss",
    "InstanceContrastiveLoss",
    "MutualInformationLoss",
    "QueueContrastiveLoss",
    "SCANLoss",
    "SelfLabelLoss",
    "balance_loss",
    "consistency_loss",
    "entropy_of_mean",
    "paired_contrast",
    "student_t_assignment",
    "target_distribution",
]
