"""Clocks of speed.py: rounds of contenders that take turns in one process."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback

Seconds = dict[str, list[float]]  # by contender, one number for each repetition
Rival = Callable[[NeuralNet, Any], float]  # from skorch's net and data set to seconds

N_DIGITS = 6  # microseconds are kept
# Steps of a round before the clock starts. A fit keeps the memory of its steps, but not
# while rivals run: the next take up to 80,000, 13,000 and 7,000 pages from the system.
N_WARM_UP = 3


def read_clock(device: torch.device) -> float:
    """Return the time in seconds, when all work that was given to a device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def time_call(function: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of a call."""
    start = read_clock(device)
    function()
    return read_clock(device) - start


def take_turns(contenders: Mapping[str, Callable[[], float]], n_rounds: int) -> Seconds:
    """Let contenders measure themselves in turns; a first round warms up."""
    rounds = [
        {name: round(measure(), N_DIGITS) for name, measure in contenders.items()}
        for _ in range(n_rounds + 1)
    ]
    return {name: [round_[name] for round_ in rounds[1:]] for name in contenders}


class EnoughRounds(Exception):
    """All rounds of a fit are timed, and nothing else of it is needed."""


class Rounds(Callback):
    """Time rounds of steps in a fit, and let rivals run between them.

    From the end of one step to the end of another passes all that a step costs users:
    reading, views, forward and backward pass, optimizer, callbacks and, where an epoch
    has as many steps as are timed, what comes between two epochs. A first round warms
    up, and so do the first steps of each.
    """

    def __init__(
        self, *, n_steps: int, n_rounds: int, rivals: Mapping[str, Rival]
    ) -> None:
        self.n_steps = n_steps
        self.length = n_steps + (N_WARM_UP if rivals else 1)
        self.n_rounds = n_rounds
        self.rivals = rivals
        self.seconds: Seconds = {"ours": [], **{name: [] for name in rivals}}
        self.n_done = 0
        self.start = 0.0

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any
    ) -> None:
        """Remember the data set."""
        self.dataset = dataset_train

    def on_batch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Read the clock at the end of a round."""
        self.n_done += 1
        device = torch.device(net.device)
        n_in_round = self.n_done % self.length
        if n_in_round == self.length - self.n_steps:
            self.start = read_clock(device)
        if n_in_round:
            return
        if self.n_done > self.length:
            self.seconds["ours"].append(
                round(read_clock(device) - self.start, N_DIGITS)
            )
            for name, measure in self.rivals.items():
                seconds = measure(net, self.dataset)
                self.seconds[name].append(round(seconds, N_DIGITS))
        if len(self.seconds["ours"]) == self.n_rounds:
            self.precision = str(net.autocast_dtype or torch.float32).split(".")[1]
            self.n_parameters = count_parameters(net.module_)
            raise EnoughRounds


def time_fit(
    estimator: BaseEstimator,
    images: NDArray,
    *,
    n_steps: int,
    n_rounds: int,
    rivals: Mapping[str, Rival] | None = None,
) -> Rounds:
    """Fit until all rounds are timed; the estimator stays as it was."""
    rounds = Rounds(n_steps=n_steps, n_rounds=n_rounds, rivals=rivals or {})
    with suppress(EnoughRounds):
        estimator.set_params(callbacks=[rounds]).fit(images)
    return rounds


def count_parameters(network: torch.nn.Module) -> int:
    """Count the numbers that are learned."""
    return sum(parameter.numel() for parameter in network.parameters())
