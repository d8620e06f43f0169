"""Learning-rate schedule."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class WarmupCosine:
    """Factor of the learning rate: linear warm-up, then half a cosine down to zero.

    An object and not a closure, so that the network that owns it can be pickled.

    Parameters
    ----------
    n_steps : int
        Steps of the whole training.
    n_warmup_steps : int
        Steps of the warm-up.

    Examples
    --------
    >>> from sklearn_mfavb.training import WarmupCosine
    >>> schedule = WarmupCosine(n_steps=100, n_warmup_steps=10)
    >>> [round(schedule(step), 2) for step in (0, 9, 10, 55, 100)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    n_steps: int
    n_warmup_steps: int

    def __call__(self, step: int) -> float:
        """Return the factor of a step."""
        if step < self.n_warmup_steps:
            return (step + 1) / self.n_warmup_steps
        done = (step - self.n_warmup_steps) / max(1, self.n_steps - self.n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True)
class WarmupConstant:
    """Factor of the learning rate: linear warm-up, then one.

    Parameters
    ----------
    n_steps : int
        Steps of the whole training; not used, as for any schedule that does not end.
    n_warmup_steps : int
        Steps of the warm-up.

    Examples
    --------
    >>> from sklearn_mfavb.training import WarmupConstant
    >>> schedule = WarmupConstant(n_steps=100, n_warmup_steps=10)
    >>> [schedule(step) for step in (0, 9, 10, 100)]
    [0.1, 1.0, 1.0, 1.0]
    """

    n_steps: int
    n_warmup_steps: int

    def __call__(self, step: int) -> float:
        """Return the factor of a step."""
        return min(1.0, (step + 1) / max(1, self.n_warmup_steps))
