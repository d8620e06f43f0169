"""From embeddings to probabilities of clusters, once training is over."""

from sklearn_mfavb.assignment._fit import (
    ASSIGNMENTS,
    EstimatorAssigner,
    Evidence,
    HeadLoss,
    balanced_contrast,
    check_assignment,
    choose_head,
    fit_assigner,
)
from sklearn_mfavb.assignment._mixture import MixtureAssigner
from sklearn_mfavb.assignment._sizes import fit_sizes

__all__ = [
    "ASSIGNMENTS",
    "EstimatorAssigner",
    "Evidence",
    "HeadLoss",
    "MixtureAssigner",
    "balanced_contrast",
    "check_assignment",
    "choose_head",
    "fit_assigner",
    "fit_sizes",
]
