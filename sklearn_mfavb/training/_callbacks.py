"""Callbacks of the training loop."""

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from tqdm.auto import tqdm


class TermAverages(Callback):
    """Record the mean of every loss term once per epoch.

    The terms stay on the device until the epoch ends.
    """

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget the last epoch."""
        self.sums_: dict[str, Tensor] = {}
        self.n_batches_ = 0

    def on_batch_end(
        self, net: NeuralNet, terms: dict[str, Tensor], **kwargs: Any
    ) -> None:
        """Add the terms of a batch."""
        self.n_batches_ += 1
        for name, term in terms.items():
            self.sums_[name] = self.sums_.get(name, 0) + term

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the means into the history."""
        for name, total in self.sums_.items():
            net.history.record(name, float(total) / self.n_batches_)


class EpochProgress(Callback):
    """Show a bar over the epochs with the loss and the time left.

    Parameters
    ----------
    stage : str or None, default=None
        Name of the stage, shown before the bar.
    """

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


class FollowQuery(Callback):
    """Move the key network towards the query network after every step.

    Parameters
    ----------
    momentum : float
        Part of the key network that stays.
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def on_batch_end(
        self, net: NeuralNet, training: bool = False, **kwargs: Any
    ) -> None:
        """Follow, if the step was one of training."""
        if training:
            net.module_.follow(self.momentum)
