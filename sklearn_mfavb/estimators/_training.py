"""The training part of every estimator: stages and skorch's loop."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor, nn

from sklearn_mfavb.backbones import choose_attention
from sklearn_mfavb.contrast import Augmentation, Contrast
from sklearn_mfavb.estimators._building import NetworkBuilder
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._labelling import LARGEST_BATCH
from sklearn_mfavb.estimators._loop import (
    check_callbacks,
    read_history,
    warn_of_early_end,
)
from sklearn_mfavb.estimators._positives import embed_dataset
from sklearn_mfavb.estimators._sklearn_callbacks import EpochTasks, FitTask, History
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.training import (
    ClusteringNet,
    EpochProgress,
    TermAverages,
    TrainingLog,
    WarmupConstant,
    WarmupCosine,
    balanced_batches,
    keep_freed_memory,
    resolve_autocast,
    resolve_device,
)
from sklearn_mfavb.views import View

_EPOCHS = 40
_LEAST_EPOCHS = 10
# With features, by whether pixels are looked at too. Five seeds of rsscn7 spread over
# 0.82 to 0.87 ACC after 400 steps, three over 0.868 to 0.873 after 900.
_STEPS_WITH_FEATURES = {True: 400, False: 900}
_SCHEDULES = {"constant": WarmupConstant, "cosine": WarmupCosine}


def _do_nothing() -> None:
    """Finish a stage after which there is nothing to do."""


@dataclass(frozen=True)
class Stage:
    """A stretch of training: what is minimised, over which views, for how long."""

    objective: nn.Module
    contrast: Contrast
    max_epochs: int
    callbacks: tuple[tuple[str, Callback], ...] = ()
    name: str | None = None
    finish: Callable[[], None] = _do_nothing  # called when it is over, or cut short
    rate: float = 1.0  # of learning, in parts of the estimator's


@estimator
class NetworkTrainer(NetworkBuilder):
    """Parameters and methods that train a network, stage by stage.

    A subclass with a single stage writes `_make_contrast` and `_make_objective`, others
    `_stages` and `_count_epochs`.

    Parameters
    ----------
    max_epochs : int or "auto", default="auto"
        Passes over the images. ``"auto"``: 40; with `clip`, as many as make 900 steps
        (400 if pixels are looked at too), but at least 10.
    learning_rate : float, default=0.001
        Peak learning rate of AdamW.
    warmup_epochs : int, default=2
        Epochs in which the learning rate rises.
    schedule : {"cosine", "constant"}, default="cosine"
        How the learning rate goes on after that: down to zero along half a cosine, or
        as it is.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    callbacks : list of skorch callbacks, default=None
        Added to our own; instances or pairs (name, callback). There is no validation
        loss: `EarlyStopping` needs ``monitor="train_loss"``. One that stops training
        stops it for good, whatever stages are to follow. Those of scikit-learn are set
        by `set_callbacks`.
    checkpoint : str or path-like, default=None
        File in which training is kept, after every epoch or, if writing takes long,
        after some. A fit that was killed goes on where it stood: fit again, with the
        same parameters and images. On the CPU, with as many threads, the result is that
        of a fit without interruption, bit for bit. It stays if training is cut short by
        Ctrl-C or a callback, and is removed when a fit is complete. None: nothing is
        kept.
    """

    max_epochs: int | Literal["auto"] = "auto"
    learning_rate: float = 1e-3
    warmup_epochs: int = 2
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 0.05
    callbacks: list | None = None
    checkpoint: str | os.PathLike[str] | None = None

    _parameter_constraints: ClassVar[dict] = {
        **NetworkBuilder._parameter_constraints,
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "schedule": [StrOptions(set(_SCHEDULES))],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, os.PathLike, None],
    }

    def _make_contrast(self, first: Augmentation, second: Augmentation) -> Contrast:
        """Say which views are made and which are contrasted, in a single stage."""
        raise NotImplementedError

    def _make_objective(self) -> nn.Module:
        """Build the loss of a single stage, term by term."""
        raise NotImplementedError

    def _count_epochs(self, dataset: ImageDataset) -> tuple[int, ...]:
        """Say how long each stage lasts; 0 where it is left out."""
        return (self._resolve_epochs(self.max_epochs, dataset),)

    def _stages(
        self, network: ClusteringNetwork, dataset: ImageDataset
    ) -> Iterator[Stage]:
        """List the stages; each is asked for when the one before is over."""
        contrast = self._make_contrast(*self._make_augmentations(dataset))
        callbacks = tuple(self._arrange_positives(dataset))
        (max_epochs,) = self._count_epochs(dataset)
        yield Stage(self._make_objective(), contrast, max_epochs, callbacks)

    def _train(
        self,
        dataset: ImageDataset,
        device: torch.device,
        log: TrainingLog,
        task: FitTask,
    ) -> tuple[ClusteringNet, History]:
        """Build a network and pass it through all stages, until one is cut short."""
        network = self._make_network(dataset).to(device)
        choose_attention(network, device)
        history: History = []
        net: ClusteringNet | None = None
        try:
            for stage in self._enter_stages(network, dataset, log):
                rows = log.past_rows()
                if not rows:
                    epochs = EpochTasks(task, history.copy(), stage.name)
                    net = self._run(stage, network, dataset, device, log, epochs)
                    rows = read_history(net, n_before=len(history), stage=stage.name)
                    net.forget_training()
                history += rows
                stage.finish()
                if len(rows) < stage.max_epochs:
                    raise KeyboardInterrupt
                log.leave(rows)
            log.complete()
        except KeyboardInterrupt:
            if net is None or not history:
                raise
            warn_of_early_end(len(rows), stage.max_epochs, stage.name)
        assert net is not None  # the last stage is run, whatever was kept
        return net, history

    def _enter_stages(
        self, network: ClusteringNetwork, dataset: ImageDataset, log: TrainingLog
    ) -> Iterator[Stage]:
        """Ask for each stage from the network as it is, or as it was kept."""
        stages = self._stages(network, dataset)
        log.enter(network)
        while (stage := next(stages, None)) is not None:
            yield stage
            log.enter(network)

    def _run(
        self,
        stage: Stage,
        network: ClusteringNetwork,
        dataset: ImageDataset,
        device: torch.device,
        log: TrainingLog,
        epochs: EpochTasks,
    ) -> ClusteringNet:
        """Build skorch's loop for a stage, and run what is left of it."""
        steps_per_epoch = self._count_steps(dataset)
        schedule = _SCHEDULES[self.schedule](
            n_steps=stage.max_epochs * steps_per_epoch,
            n_warmup_steps=min(self.warmup_epochs, stage.max_epochs) * steps_per_epoch,
        )
        progress = EpochProgress()
        net = ClusteringNet(
            network,
            stage.objective,
            contrast=stage.contrast,
            autocast_dtype=resolve_autocast(self.precision, device),
            optimizer=torch.optim.AdamW,
            lr=self.learning_rate * stage.rate,
            optimizer__weight_decay=self.weight_decay,
            optimizer__fused=True,
            max_epochs=stage.max_epochs,
            batch_size=self._resolve_batch_size(len(dataset)),
            iterator_train=balanced_batches,
            iterator_train__collate_fn=dataset.collate,
            train_split=None,
            device=device,
            callbacks=[
                ("terms", TermAverages()),
                (
                    "schedule",
                    LRScheduler(
                        torch.optim.lr_scheduler.LambdaLR,
                        lr_lambda=schedule,
                        step_every="batch",
                    ),
                ),
                *stage.callbacks,
                *log.callbacks(),
                ("tasks", epochs),
                *([("progress", progress)] if self.verbose == 1 else []),
                *check_callbacks(self.callbacks or ()),
            ],
            **({} if self.verbose > 1 else {"callbacks__print_log": None}),
        )
        try:
            with keep_freed_memory():
                net.fit(dataset, None, epochs=stage.max_epochs - log.n_kept_epochs())
        finally:
            progress.close()
        return net

    def _embed(
        self, embed: Callable[[View], Tensor], dataset: ImageDataset
    ) -> NDArray[np.float32]:
        """Embed the clean training images between two stages."""
        device = resolve_device(self.device)
        return embed_dataset(
            embed,
            dataset,
            batch_size=self._resolve_batch_size(len(dataset)),
            device=device,
            autocast_dtype=resolve_autocast(self.precision, device),
            reads_images=self._sees_images,
        )

    def _resolve_batch_size(self, n_samples: int) -> int:
        """Replace ``"auto"``: several steps for few images, enough of each cluster."""
        if self.batch_size != "auto":
            return self.batch_size
        return min(LARGEST_BATCH, max(math.ceil(n_samples / 8), 8 * self.n_clusters))

    def _count_steps(self, dataset: ImageDataset) -> int:
        """Count the batches of an epoch."""
        return math.ceil(len(dataset) / self._resolve_batch_size(len(dataset)))

    def _resolve_epochs(
        self, epochs: int | Literal["auto"], dataset: ImageDataset
    ) -> int:
        """Replace ``"auto"``: with features, so many steps are enough for any set."""
        if epochs != "auto":
            return epochs
        if dataset.features is None:
            return _EPOCHS
        n_steps = self._count_steps(dataset)
        return max(
            _LEAST_EPOCHS, math.ceil(_STEPS_WITH_FEATURES[self._sees_images] / n_steps)
        )
