"""Constraints of the parameters that all estimators share."""

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_mfavb.assignment import ASSIGNMENTS
from sklearn_mfavb.augmentation import AUGMENTATIONS
from sklearn_mfavb.backbones import ViT
from sklearn_mfavb.estimators._views import Augmentation
from sklearn_mfavb.images import Reading
from sklearn_mfavb.outliers import OUTLIERS
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Training

_COUNT = Interval(Integral, 1, None, closed="left")

COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "n_clusters": [StrOptions({"auto"}), _COUNT],
    "encoder": [str, HasMethods(["fit_transform", "transform"]), list, tuple, None],
    "use_pixels": ["boolean", StrOptions({"auto"})],
    "image_size": [StrOptions({"auto"}), _COUNT, tuple, list],
    "augmentation": [
        StrOptions({"auto", *AUGMENTATIONS}),
        Augmentation,
        callable,
        tuple,
    ],
    "positives": [StrOptions({"auto", "augmentation", "neighbors"}), Neighbors],
    "balance": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "assignment": [StrOptions(set(ASSIGNMENTS)), HasMethods(["fit", "predict"])],
    "outliers": OUTLIERS,
    "backbone": [str, ViT, callable],
    "max_epochs": [StrOptions({"auto"}), _COUNT],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "device": [str, torch.device],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "reading": [Reading, None],
    "training": [Training, None],
}
