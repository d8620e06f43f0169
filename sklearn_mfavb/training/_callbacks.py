"""Callbacks of the training loop."""

import time
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from tqdm.auto import tqdm

from sklearn_mfavb.distributed import agree


class EpochProgress(Callback):
    """Show a bar over the epochs of a stage with the loss and the time left."""

    def __init__(self, stage: str | None = None) -> None:
        self.stage = stage

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(
            total=net.max_epochs,
            initial=len(net.history),
            unit="epoch",
            desc=self.stage or "training",
        )

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance by one epoch."""
        self.bar_.set_postfix(loss=f"{net.history[-1, 'train_loss']:.4f}")
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar."""
        self.bar_.close()
        del self.bar_  # its stream cannot be pickled


class FollowQuery(Callback):
    """Move the key network towards the query network after every step.

    `momentum` is the part of the key network that stays.
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Follow; there are no batches but those of training."""
        net.module_.follow(self.momentum)


class FollowStudents(FollowQuery):
    """Move the cluster heads towards their students, which the objective trains."""

    @torch.no_grad()
    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Follow; `momentum` is the part of the heads that stays."""
        teachers = net.module_.cluster_heads.parameters()
        students = net.criterion_.students.parameters()
        for teacher, student in zip(teachers, students, strict=True):
            teacher.lerp_(student, 1 - self.momentum)


class TimeBudget(Callback):
    """End training when its time is over, as Ctrl-C does.

    An epoch that is cut off does not count, but every training completes at least one
    epoch, so that a fit that resumes from a checkpoint makes progress, however small
    the budget. Time begins with the first training that the object sees and includes
    all stages of a fit; another fit needs another object.

    Parameters
    ----------
    seconds : float
        Time for training. What comes before (reading images, features of an encoder)
        and after it (labels) is not counted.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_mfavb import MFAVBClustering, Training
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> from sklearn_mfavb.training import TimeBudget
    >>> images, _ = make_shape_images(40, n_clusters=2, image_size=8, random_state=0)
    >>> training = Training(callbacks=[TimeBudget(0.001)])
    >>> clusterer = MFAVBClustering(2, training=training, random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # it says that training stopped early
    ...     clusterer.fit(images).n_iter_
    1
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start the clock, if this is the first training."""
        self.has_epoch_ = False
        if not hasattr(self, "ends_at_"):
            self.ends_at_ = time.monotonic() + self.seconds

    def on_batch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Cut the epoch off, if another one is complete."""
        if self.has_epoch_:
            self._stop_in_time()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Stop, if no time is left for another epoch."""
        self.has_epoch_ = True
        self._stop_in_time()

    def _stop_in_time(self) -> None:
        """Do what Ctrl-C does, if time is over."""
        if agree(time.monotonic() >= self.ends_at_):
            raise KeyboardInterrupt
