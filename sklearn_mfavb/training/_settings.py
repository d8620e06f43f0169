"""The parameters of training that few users change."""

import os
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.parameters import ParameterGroup


class Training(ParameterGroup):
    """How a network is trained.

    Parameters
    ----------
    learning_rate : float, default=0.001
        Peak learning rate of AdamW.
    warmup_epochs : int, default=2
        Epochs in which the learning rate rises.
    schedule : {"cosine", "constant"}, default="cosine"
        Learning rate after that: down to zero along half a cosine, or constant.
    weight_decay : float, default=0.05
        Weight decay of AdamW; biases, normalizations, class tokens and centers are
        exempt.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the network in training and prediction; losses are always in
        float32. ``"auto"``: bfloat16 on CUDA devices and x86 CPUs that multiply it
        natively, float16 on a V100 or T4, else float32.
    callbacks : list of skorch callbacks, default=None
        Instances or pairs (name, callback). There is no validation loss, so that
        `EarlyStopping` needs ``monitor="train_loss"``. One that stops training ends it
        for all stages.
    checkpoint : str or path-like, default=None
        File in which training is kept after every epoch, or after several if writing
        takes long. A fit that was interrupted resumes from it: fit again with the same
        parameters and images. On a CPU, with the same number of threads, the result is
        that of an uninterrupted fit, bit for bit. It is removed when a fit is complete.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "schedule": [StrOptions({"constant", "cosine"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, os.PathLike, None],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        learning_rate: float = 1e-3,
        warmup_epochs: int = 2,
        schedule: Literal["cosine", "constant"] = "cosine",
        weight_decay: float = 0.05,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        callbacks: list[Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.learning_rate = learning_rate
        self.warmup_epochs = warmup_epochs
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.precision = precision
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.warm_start = warm_start
