"""Time steps of training and prediction of an estimator of the package.

As a program, with the task as JSON, it does so for whatever checkout is on PYTHONPATH:
it uses nothing that differs between versions of the package.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.callbacks import Callback

import sklearn_mfavb

N_DIGITS = 6  # microseconds are kept
N_WARM_UP = 3  # steps


def make_images(n_images: int, side: int) -> NDArray[np.uint8]:
    """Make noise: what an image shows changes no time."""
    shape = (n_images, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read_clock(device: str | torch.device = "cpu") -> float:
    """Read the time, when all work that was given to a device is done."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def time_call(function: Callable[[], Any], device: str | torch.device = "cpu") -> float:
    """Time a call, in seconds."""
    start = read_clock(device)
    function()
    return round(read_clock(device) - start, N_DIGITS)


class EnoughSteps(Exception):
    """All steps of a fit are timed, and nothing else of it is needed."""


class StepClock(Callback):
    """Read the clock at the end of each step, and end the fit after some.

    Between two ends passes all that a step costs users: reading, views, forward and
    backward pass, optimizer, callbacks, and what comes between two epochs.
    """

    def __init__(self, n_steps: int, n_timed: int | None = None) -> None:
        self.n_steps = n_steps
        # Waiting for a GPU after every step would keep it from going on meanwhile.
        self.waits = (
            range(n_steps + 1) if n_timed is None else (n_steps - n_timed, n_steps)
        )
        self.ends: list[float] = []

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        """Read the clock."""
        waits = len(self.ends) in self.waits
        self.ends.append(read_clock(net.device if waits else "cpu"))
        if len(self.ends) > self.n_steps:
            self.n_parameters = sum(p.numel() for p in net.module_.parameters())
            raise EnoughSteps


def fit_steps(
    estimator: Any,
    images: Any,
    n_steps: int,
    n_warm_up: int,
    n_timed: int | None = None,
) -> StepClock:
    """Fit for some steps; the estimator stays unfitted."""
    clock = StepClock(n_warm_up + n_steps - 1, n_timed)
    fit_with(estimator, images, clock)
    return clock


def fit_with(estimator: Any, images: Any, callback: Callback) -> None:
    """Fit until a callback has seen enough."""
    is_nested = "training" in estimator.get_params(deep=False)
    name = "training__callbacks" if is_nested else "callbacks"
    estimator.set_params(**{name: [callback]})
    with suppress(EnoughSteps):
        estimator.fit(images)
    estimator.set_params(**{name: None})


def time_steps(
    estimator: Any, images: Any, n_steps: int, n_warm_up: int = N_WARM_UP
) -> float:
    """Time steps of a fit, in seconds, after some that warm up."""
    clock = fit_steps(estimator, images, n_steps + 1, n_warm_up, n_steps)
    return round(clock.ends[-1] - clock.ends[-1 - n_steps], N_DIGITS)


def fit_shortly(estimator: Any, images: Any) -> Any:
    """Fit for one epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise has no clusters
        return estimator.set_params(max_epochs=1).fit(images)


class Turns(Callback):
    """Wait for a line before some steps, and print the processor's seconds of them."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.n_done = -1  # the first step warms up
        self.start = 0.0

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        """End a turn after its last step, and the fit where no line comes."""
        self.n_done += 1
        if self.n_done % self.n_steps == 0:
            if self.n_done:
                print_seconds(self.start)
            if not sys.stdin.readline():
                raise EnoughSteps
            self.start = time.process_time()


def print_seconds(start: float = 0.0) -> None:
    """Print the processor's seconds since a start, at first that of the process."""
    print(round(time.process_time() - start, N_DIGITS), flush=True)


def main() -> None:
    """Do the task of the command line for every line of input, and print the seconds.

    They are the processor's, of all threads, so that other programs move them less.
    """
    task = json.loads(sys.argv[1])
    images = make_images(task["n_images"], task["image_size"])
    estimator = getattr(sklearn_mfavb, task["estimator"])(**task["parameters"])
    if task["what"] == "train":
        fit_with(estimator, images, Turns(task["n_steps"]))
    elif task["what"] == "start":  # once, from the start of the process
        fit_steps(estimator, images, 1, 0)
        print_seconds()
    else:
        fit_shortly(estimator, make_images(len(images) + 64, task["image_size"])[-64:])
        for _ in sys.stdin:
            start = time.process_time()
            estimator.predict(images)
            print_seconds(start)


if __name__ == "__main__":
    main()
