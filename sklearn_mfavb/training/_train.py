"""The training loop: every stage is one run of skorch's loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from sklearn_mfavb.distributed import agree, agree_on, draw_apart, is_joint, rank
from sklearn_mfavb.training._batches import balanced_batches, count_batches
from sklearn_mfavb.training._callbacks import EpochProgress
from sklearn_mfavb.training._checkpoint import Checkpoint
from sklearn_mfavb.training._net import AdamW, ClusteringNet, JointNet
from sklearn_mfavb.training._runtime import Runtime
from sklearn_mfavb.training._settings import Training
from sklearn_mfavb.warn import warn_user

History = list[dict[str, Any]]


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
    """Train a network in place through all stages, until one is interrupted.

    Returns one dict for each epoch. Stages after an interrupted one are prepared but
    not run, so that the network can be used as it is; KeyboardInterrupt is raised if
    no epoch was complete. Training resumes from a checkpoint that exists. `verbose` 1
    shows a progress bar, 2 prints a table of all losses.
    """
    resumed = None if checkpoint is None else checkpoint.stage
    history = [] if checkpoint is None else checkpoint.past_epochs()
    is_interrupted = False
    joint = is_joint()
    if joint:
        _begin_jointly(dataset, runtime)
    for number, stage in enumerate(stages):
        if resumed is not None and number < resumed:
            continue
        if stage.prepare is not None and number != resumed:
            stage.prepare()
        if joint:
            agree_on(network)
        if is_interrupted:
            continue
        n_kept = 0 if checkpoint is None else checkpoint.begin_stage(number, history)
        keep = [] if checkpoint is None else [("checkpoint", checkpoint)]
        shown = 0 if joint and rank() else verbose
        net = _make_net(stage, network, dataset, training, runtime, keep, shown)
        # A checkpoint restores the history at the beginning: only the rest is run.
        net.fit(dataset, None, epochs=stage.max_epochs - n_kept)
        rows = _read_history(net, n_before=len(history), stage=stage.name)
        history = history + rows
        is_interrupted = len(rows) < stage.max_epochs
        if is_interrupted:
            _report_interruption(len(rows), stage, history)
    if checkpoint is not None:
        checkpoint.is_complete = not is_interrupted
    return history


def _begin_jointly(dataset: Any, runtime: Runtime) -> None:
    """See that all processes have the same images, and let each draw its own views."""
    if agree(len(dataset)) != len(dataset):
        raise ValueError(
            f"X has {len(dataset)} images, but another number in the first process: "
            "all processes of a launched program must pass the same X to fit."
        )
    draw_apart(runtime.device)


def _make_net(
    stage: Stage,
    network: nn.Module,
    dataset: Any,
    training: Training,
    runtime: Runtime,
    keep: Sequence[tuple[str, Callback]],
    verbose: int,
) -> ClusteringNet:
    """Set up skorch's loop for a stage."""
    steps_per_epoch = count_batches(len(dataset), runtime.batch_size)
    schedule = make_schedule(
        training.schedule,
        stage.max_epochs * steps_per_epoch,
        min(training.warmup_epochs, stage.max_epochs) * steps_per_epoch,
    )
    rate = LRScheduler(
        torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule, step_every="batch"
    )
    make = JointNet if is_joint() else ClusteringNet
    return make(
        network.train(),
        stage.objective,
        pairs=stage.pairs,
        autocast_dtype=runtime.autocast_dtype,
        optimizer=AdamW,
        lr=training.learning_rate * stage.rate,
        optimizer__weight_decay=training.weight_decay,
        optimizer__fused=True,
        max_epochs=stage.max_epochs,
        batch_size=runtime.batch_size,
        iterator_train=balanced_batches,
        iterator_train__device=runtime.device,
        train_split=None,
        device=runtime.device,
        callbacks=[
            ("schedule", rate),
            *stage.callbacks,
            *keep,
            *([("progress", EpochProgress(stage.name))] if verbose == 1 else []),
            *_check_callbacks(training.callbacks or ()),
        ],
        **({} if verbose > 1 else {"callbacks__print_log": None}),
    )


def make_schedule(
    kind: str, n_steps: int, n_warmup_steps: int
) -> Callable[[int], float]:
    """Make a linear warm-up to 1, followed by half a cosine down to 0, or by 1."""

    def factor(step: int) -> float:
        if step < n_warmup_steps:
            return (step + 1) / n_warmup_steps
        if kind == "constant":
            return 1.0
        done = (step - n_warmup_steps) / max(1, n_steps - n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def _check_callbacks(callbacks: Sequence[Any]) -> Sequence[Any]:
    """Return the user's callbacks, or raise for an item that is none of skorch's."""
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                "callbacks must be skorch callbacks or pairs (name, callback), got "
                f"{item!r}."
            )
    return callbacks


def _read_history(net: ClusteringNet, n_before: int, stage: str | None) -> History:
    """Copy skorch's history as one plain dict per epoch, complete epochs only."""
    return [
        {
            "epoch": n_before + row["epoch"],
            **({} if stage is None else {"stage": stage}),
            "loss": float(row["train_loss"]),
            **{
                name: value
                for name, value in row.items()
                if name.endswith("_loss") and name != "train_loss"
            },
            "seconds": row["dur"],
        }
        for row in net.history
        if "train_loss" in row
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
