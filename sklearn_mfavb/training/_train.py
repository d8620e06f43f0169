"""The training loop: every stage is one run of skorch's loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from sklearn_mfavb.training._callbacks import EpochProgress
from sklearn_mfavb.training._checkpoint import Checkpoint
from sklearn_mfavb.training._net import ClusteringNet, TermAverages, balanced_batches
from sklearn_mfavb.training._runtime import Runtime
from sklearn_mfavb.training._settings import Training
from sklearn_mfavb.warn import warn_user

History = list[dict[str, Any]]
Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Attributes
    ----------
    objective : torch.nn.Module
        What is minimized: from tuples of outputs to named, weighted terms.
    pairs : object
        Draws views from a batch and tells which outputs must agree.
    max_epochs : int
        Passes over the images.
    name : str, default=None
        Name of the stage in the history, for methods with several.
    prepare : callable, default=None
        Called before the stage, with what was learned so far: finds neighbors, sets
        centers. It may change the network and the data set's neighbors, nothing else.
    callbacks : tuple of (str, skorch.callbacks.Callback), default=()
        Callbacks of this stage.
    rate : float, default=1.0
        Factor on ``Training.learning_rate``.
    """

    objective: nn.Module
    pairs: Any
    max_epochs: int
    name: str | None = None
    prepare: Callable[[], None] | None = None
    callbacks: tuple[tuple[str, Callback], ...] = ()
    rate: float = 1.0


def train(
    network: nn.Module,
    stages: Sequence[Stage],
    dataset: Any,
    *,
    training: Training,
    runtime: Runtime,
    checkpoint: Checkpoint | None = None,
    verbose: int = 0,
) -> History:
    """Train a network through all stages, until one is interrupted.

    Stages after an interrupted one are prepared but not run, so that the network can be
    used as it is.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place.
    stages : sequence of Stage
        What to do, in order.
    dataset : ImageDataset
        The images.
    training : Training
        Learning rate and the like.
    runtime : Runtime
        Device, arithmetic and batch size.
    checkpoint : Checkpoint, default=None
        Where training is kept; what it holds already is taken up.
    verbose : int, default=0
        1 shows a progress bar, 2 prints a table of all losses.

    Returns
    -------
    list of dict
        One for each epoch.

    Raises
    ------
    KeyboardInterrupt
        If training was interrupted before one epoch was complete.
    """
    resumed = None if checkpoint is None else checkpoint.stage
    history = [] if checkpoint is None else checkpoint.past_epochs()
    is_interrupted = False
    for number, stage in enumerate(stages):
        if resumed is not None and number < resumed:
            continue
        if stage.prepare is not None and number != resumed:
            stage.prepare()
        if is_interrupted:
            continue
        callbacks = [] if checkpoint is None else checkpoint.callbacks(number, history)
        net = _run(stage, network, dataset, training, runtime, callbacks, verbose)
        rows = read_history(net, n_before=len(history), stage=stage.name)
        history = history + rows
        is_interrupted = len(rows) < stage.max_epochs
        if is_interrupted:
            _report_interruption(len(rows), stage, history)
    if checkpoint is not None:
        checkpoint.is_complete = not is_interrupted
    return history


def _run(
    stage: Stage,
    network: nn.Module,
    dataset: Any,
    training: Training,
    runtime: Runtime,
    callbacks: list[tuple[str, Callback]],
    verbose: int,
) -> ClusteringNet:
    """Run what is left of a stage with skorch's loop."""
    steps_per_epoch = math.ceil(len(dataset) / runtime.batch_size)
    schedule = SCHEDULES[training.schedule](
        stage.max_epochs * steps_per_epoch,
        min(training.warmup_epochs, stage.max_epochs) * steps_per_epoch,
    )
    rate = LRScheduler(
        torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule, step_every="batch"
    )
    all_callbacks = [
        ("terms", TermAverages()),
        ("schedule", rate),
        *stage.callbacks,
        *callbacks,
        *([("progress", EpochProgress(stage.name))] if verbose == 1 else []),
        *check_callbacks(training.callbacks or ()),
    ]
    net = ClusteringNet(
        network.train(),
        stage.objective,
        pairs=stage.pairs,
        autocast_dtype=runtime.autocast_dtype,
        optimizer=torch.optim.AdamW,
        lr=training.learning_rate * stage.rate,
        optimizer__weight_decay=training.weight_decay,
        optimizer__fused=True,
        max_epochs=stage.max_epochs,
        batch_size=runtime.batch_size,
        iterator_train=balanced_batches,
        iterator_train__collate_fn=dataset.collate,
        train_split=None,
        device=runtime.device,
        callbacks=all_callbacks,
        **({} if verbose > 1 else {"callbacks__print_log": None}),
    )
    # Checkpoints restore the history before this, so that only the rest is run.
    n_kept = sum(getattr(callback, "n_kept", 0) for _, callback in callbacks)
    return net.fit(dataset, None, epochs=stage.max_epochs - n_kept)


def check_callbacks(callbacks: Any) -> list[Any]:
    """Return the callbacks, or raise for an item that is no callback of skorch."""
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                "callbacks must be skorch callbacks or pairs (name, callback), got "
                f"{item!r}."
            )
    return list(callbacks)


def read_history(net: ClusteringNet, n_before: int, stage: str | None) -> History:
    """Copy skorch's history as one plain dict per epoch, complete epochs only."""
    rows = [row for row in net.history if "train_loss" in row]
    names = [name for name in rows[0] if name.endswith("_loss")] if rows else []
    return [
        {
            "epoch": n_before + row["epoch"],
            **({} if stage is None else {"stage": stage}),
            "loss": float(row["train_loss"]),
            **{name: row[name] for name in names if name != "train_loss"},
            "seconds": row["dur"],
        }
        for row in rows
    ]


def _report_interruption(n_epochs: int, stage: Stage, history: History) -> None:
    """Warn that a stage was interrupted; raise if nothing was learned."""
    if not history:
        raise KeyboardInterrupt
    where = "" if stage.name is None else f" of the stage {stage.name!r}"
    warn_user(
        f"Training stopped after {n_epochs} of max_epochs={stage.max_epochs} "
        f"epochs{where}; the labels come from the network at that point.",
        ConvergenceWarning,
    )


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
