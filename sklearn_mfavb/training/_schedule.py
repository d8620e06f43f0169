"""Learning-rate schedules: factors of the peak rate, by step."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def warmup_cosine(n_steps: int, n_warmup_steps: int) -> Schedule:
    """Make a linear warm-up followed by half a cosine down to zero."""

    def factor(step: int) -> float:
        if step < n_warmup_steps:
            return (step + 1) / n_warmup_steps
        done = (step - n_warmup_steps) / max(1, n_steps - n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def warmup_constant(n_steps: int, n_warmup_steps: int) -> Schedule:
    """Make a linear warm-up followed by the peak rate."""
    return lambda step: min(1.0, (step + 1) / max(1, n_warmup_steps))


SCHEDULES: dict[str, Callable[[int, int], Schedule]] = {
    "constant": warmup_constant,
    "cosine": warmup_cosine,
}
