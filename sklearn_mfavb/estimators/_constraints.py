"""Constraints of parameters: those that all estimators share, and frequent kinds."""

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_mfavb.assignment import ASSIGNMENTS
from sklearn_mfavb.augmentation import AUGMENTATIONS
from sklearn_mfavb.backbones import ViT
from sklearn_mfavb.estimators._augmentations import Augmentation
from sklearn_mfavb.images import Reading
from sklearn_mfavb.outliers import OUTLIERS
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Training

_AUTO = StrOptions({"auto"})

COUNT: list[Any] = [Interval(Integral, 1, None, closed="left")]
COUNT_OR_AUTO: list[Any] = [_AUTO, *COUNT]
# Epochs of a step, or layers, which may be left out.
EPOCHS: list[Any] = [_AUTO, Interval(Integral, 0, None, closed="left")]
WEIGHT: list[Any] = [Interval(Real, 0, None, closed="left")]
TEMPERATURE: list[Any] = [Interval(Real, 0, None, closed="neither")]
ASSIGNMENT: list[Any] = [StrOptions(set(ASSIGNMENTS)), HasMethods(["fit", "predict"])]
ASSIGNMENT_OR_AUTO: list[Any] = [_AUTO, *ASSIGNMENT]
# Of methods without a cluster head that learns.
ASSIGNMENT_WITHOUT_HEAD: list[Any] = [
    StrOptions(ASSIGNMENTS.keys() - {"head"}),
    HasMethods(["fit", "predict"]),
]

COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "n_clusters": COUNT_OR_AUTO,
    "encoder": [str, HasMethods(["fit_transform", "transform"]), list, tuple, None],
    "use_pixels": ["boolean", _AUTO],
    "image_size": [*COUNT_OR_AUTO, tuple, list],
    "augmentation": [
        StrOptions({"auto", *AUGMENTATIONS}),
        Augmentation,
        callable,
        tuple,
    ],
    "positives": [StrOptions({"auto", "augmentation", "neighbors"}), Neighbors],
    "balance": [_AUTO, *WEIGHT],
    "assignment": ASSIGNMENT,
    "outliers": OUTLIERS,
    "backbone": [str, ViT, callable],
    "max_epochs": COUNT_OR_AUTO,
    "batch_size": COUNT_OR_AUTO,
    "device": [str, torch.device],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "reading": [Reading, None],
    "training": [Training, None],
}
