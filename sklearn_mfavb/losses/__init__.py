"""Losses: one idea per file, torch only, float32 inside, any batch size.

No loss knows the batch size or the device in advance, so the rows it is given may be
one batch or the batches of all ranks gathered.
"""

from sklearn_mfavb.losses._cluster import ClusterContrastiveLoss, balance_loss
from sklearn_mfavb.losses._contrast import paired_contrast
from sklearn_mfavb.losses._information import MutualInformationLoss
from sklearn_mfavb.losses._instance import InstanceContrastiveLoss

__all__ = [
    "ClusterContrastiveLoss",
    "InstanceContrastiveLoss",
    "MutualInformationLoss",
    "balance_loss",
    "paired_contrast",
]
