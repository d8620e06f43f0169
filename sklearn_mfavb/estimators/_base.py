"""What all estimators share: a network is trained on images and labels them."""

import math
import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, LRScheduler

from sklearn_mfavb.augmentation import AUGMENTATIONS, Transform, make_views
from sklearn_mfavb.backbones import Backbone, choose_attention
from sklearn_mfavb.contrast import Contrast
from sklearn_mfavb.estimators._inference import pixel_statistics
from sklearn_mfavb.estimators._labelling import LARGEST_BATCH, ImageLabeler
from sklearn_mfavb.heads import ClusterHead, InstanceHead
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.training import (
    ClusteringNet,
    EpochProgress,
    TermAverages,
    WarmupCosine,
    balanced_batches,
    local_seed,
    resolve_autocast,
    resolve_device,
)

_STATISTICS_SAMPLE = 2048  # images; the mean of each channel is then within 1 %


class BaseImageClusterer(ImageLabeler, ABC):
    """Base of the estimators; a subclass says what its method changes.

    A subclass writes `_make_backbone`, `_make_contrast` and `_make_objective`, and may
    add callbacks or neighbours in `_arrange_positives`.
    """

    n_clusters: int
    augmentation: Any
    max_epochs: int
    batch_size: int | Literal["auto"]
    learning_rate: float
    warmup_epochs: int
    weight_decay: float
    device: Any
    precision: Any
    callbacks: Any
    verbose: int
    warm_start: bool
    random_state: Any
    history_: list[dict[str, float]]

    _parameter_constraints: ClassVar[dict] = {
        **ImageLabeler._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "augmentation": [
            StrOptions({"auto", *AUGMENTATIONS}),
            callable,
            tuple,
        ],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _make_backbone(self, size: tuple[int, int], n_channels: int) -> Backbone:
        """Build the network from images to embeddings."""

    @abstractmethod
    def _make_contrast(self, first: Transform, second: Transform) -> Contrast:
        """Say which views are made and which are contrasted."""

    @abstractmethod
    def _make_objective(self) -> torch.nn.Module:
        """Build the loss, term by term."""

    def _arrange_positives(self, dataset: ImageDataset) -> list[tuple[str, Callback]]:
        """Give the data set neighbours, or return callbacks that will."""
        return []

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the network on images and label them.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used; present for consistency with scikit-learn.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the images or a parameter make no sense together.
        FloatingPointError
            If the loss stops being finite.

        Notes
        -----
        A fit that fails leaves the estimator as it was. Ctrl-C ends training after the
        last complete epoch and goes on to the labels, with a `ConvergenceWarning`.
        """
        before = dict(vars(self))
        try:
            return self._fit(X)
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X: Any) -> Self:
        """Fit; what it leaves half done when it fails is undone by `fit`."""
        source = self._read_images(X, reset=True)
        size = self._resolve_image_size(source)
        dataset = self._readable_dataset(source, size, self.n_clusters)
        device = resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with local_seed(seed, device):
            net = self._train(dataset, device)

        previous = self.history_ if self.warm_start and hasattr(self, "net_") else []
        self.net_ = net
        self.image_format_ = source.format
        self.image_size_ = size
        self.history_ = previous + _read_history(net, n_before=len(previous))
        self.n_iter_ = len(self.history_)
        self.labels_ = self._label(source)
        self.paths_ = source.paths
        self.skipped_ = dict(source.unreadable)
        self._warn_if_degenerate(n_epochs=len(self.history_) - len(previous))
        return self

    def _train(self, dataset: ImageDataset, device: torch.device) -> ClusteringNet:
        """Build a network and skorch's loop around it, and run the loop."""
        network = self._make_network(dataset)
        choose_attention(network, device)
        batch_size = self._resolve_batch_size(len(dataset))
        steps_per_epoch = math.ceil(len(dataset) / batch_size)
        schedule = WarmupCosine(
            n_steps=self.max_epochs * steps_per_epoch,
            n_warmup_steps=min(self.warmup_epochs, self.max_epochs) * steps_per_epoch,
        )
        progress = EpochProgress()
        net = ClusteringNet(
            network,
            self._make_objective(),
            contrast=self._make_contrast(*self._make_augmentations(dataset)),
            autocast_dtype=resolve_autocast(self.precision, device),
            optimizer=torch.optim.AdamW,
            lr=self.learning_rate,
            optimizer__weight_decay=self.weight_decay,
            max_epochs=self.max_epochs,
            batch_size=batch_size,
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
                *self._arrange_positives(dataset),
                *([("progress", progress)] if self.verbose == 1 else []),
                *_check_callbacks(self.callbacks or ()),
            ],
            **({} if self.verbose > 1 else {"callbacks__print_log": None}),
        )
        try:
            net.fit(dataset, None)
        finally:
            progress.close()
        net.forget_training()
        return net

    def _resolve_batch_size(self, n_samples: int) -> int:
        """Replace ``"auto"``: several steps for few images, enough of each cluster."""
        if self.batch_size != "auto":
            return self.batch_size
        return min(LARGEST_BATCH, max(math.ceil(n_samples / 8), 8 * self.n_clusters))

    def _make_network(self, dataset: ImageDataset) -> ClusteringNetwork:
        """Build backbone and heads; with warm_start, take over the learned weights."""
        source = dataset.source
        sample = torch.randperm(len(dataset))[:_STATISTICS_SAMPLE].numpy()
        mean, std = pixel_statistics(source, dataset.size, dataset.indices[sample])
        backbone = self._make_backbone(dataset.size, source.n_channels)
        network = ClusteringNetwork(
            backbone,
            InstanceHead(backbone.embed_dim),
            ClusterHead(backbone.embed_dim, self.n_clusters),
            pixel_mean=mean,
            pixel_std=std,
        )
        if self.warm_start and hasattr(self, "net_"):
            try:
                network.load_state_dict(self.net_.module_.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    "warm_start=True continues the network of the last fit, but "
                    "n_clusters, the images or the network's sizes have changed: "
                    f"{error}. Set warm_start=False to start afresh."
                ) from error
        return network

    def _make_augmentations(self, dataset: ImageDataset) -> tuple[Transform, Transform]:
        """Build the augmentations of both views."""
        return make_views(self._resolve_augmentation(dataset), dataset.size)

    def _resolve_augmentation(self, dataset: ImageDataset) -> Any:
        """Replace ``"auto"`` by what suits the kind of images."""
        if self.augmentation != "auto":
            return self.augmentation
        if dataset.source.image_size[0] == 1:
            return "none"
        return "characters" if dataset.source.n_channels == 1 else "photographs"

    def _warn_if_degenerate(self, n_epochs: int) -> None:
        """Warn about clusters that hold nothing and about training that was cut."""
        sizes = np.bincount(self.labels_[self.labels_ >= 0], minlength=self.n_clusters)
        n_found = np.count_nonzero(sizes)
        if n_found < self.n_clusters:
            warnings.warn(
                f"Only {n_found} of n_clusters={self.n_clusters} clusters hold images "
                f"after {n_epochs} epochs (sizes {sizes.tolist()}). Train longer "
                "(max_epochs), raise balance_weight, change the augmentation or ask "
                "for fewer clusters.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if n_epochs < self.max_epochs:
            warnings.warn(
                f"Training stopped after {n_epochs} of max_epochs={self.max_epochs} "
                "epochs; the labels are those of the network as it was then.",
                ConvergenceWarning,
                stacklevel=4,
            )


def _check_callbacks(callbacks: Any) -> list:
    """Return skorch's callbacks, or say which of the items is none."""
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                "callbacks must be skorch callbacks or pairs (name, callback), got "
                f"{item!r}."
            )
    return list(callbacks)


def _read_history(net: ClusteringNet, n_before: int) -> list[dict[str, float]]:
    """Copy what is worth keeping of skorch's history: one plain dict per epoch.

    An interrupted epoch has no losses yet and is left out; if there is no other, the
    interruption goes on to the user.
    """
    rows = [row for row in net.history if "train_loss" in row]
    if not rows:
        raise KeyboardInterrupt
    names = [name for name in rows[0] if name.endswith("_loss")]
    return [
        {
            "epoch": n_before + row["epoch"],
            "loss": float(row["train_loss"]),
            **{name: row[name] for name in names if name != "train_loss"},
            "seconds": row["dur"],
        }
        for row in rows
    ]
