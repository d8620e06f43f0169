"""As many passes over the images as a budget of CPU time allows.

The time of the process, unlike that of a clock on the wall, does not grow with the
work of others on the machine. Passes are counted beforehand, so that every schedule of
learning rates comes to its end, and methods with stages spend on each its usual share.
"""

import time
from typing import Any

from sklearn.base import BaseEstimator, clone
from skorch import NeuralNet
from skorch.callbacks import Callback

__all__ = ["count_passes"]

_N_TRIED = 2  # some stages are half as long


class EpochClock(Callback):
    """Add up the CPU time of epochs, in all stages of a fit."""

    seconds = 0.0

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start the clock."""
        self.began_at_ = time.process_time()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Stop it."""
        self.seconds += time.process_time() - self.began_at_


def count_passes(
    estimator: BaseEstimator, cpu_seconds: float, *images: Any, **features: Any
) -> int:
    """Count the epochs that fit into a budget, by a fit of two; labels play no part.

    This is for `max_epochs`; other stages must follow it. A fit before that one is not
    counted: what a process does once does not come again.
    """
    clock = EpochClock()
    trial = clone(estimator).set_params(max_epochs=1).fit(*images, **features)
    trial.set_params(max_epochs=_N_TRIED, training__callbacks=[clock])
    trial.fit(*images, **features)
    return max(1, round(cpu_seconds / clock.seconds * _N_TRIED))
