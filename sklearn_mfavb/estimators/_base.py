"""What all estimators share: a network is trained on images and labels them."""

import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import field
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, LRScheduler

from sklearn_mfavb.backbones import Backbone, choose_attention
from sklearn_mfavb.contrast import Augmentation, Contrast
from sklearn_mfavb.estimators._augmenting import ViewMaker
from sklearn_mfavb.estimators._clip import Rows
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._inference import pixel_statistics
from sklearn_mfavb.estimators._labelling import LARGEST_BATCH
from sklearn_mfavb.estimators._loop import check_callbacks, read_history
from sklearn_mfavb.estimators._readout import choose_head, fit_mixture
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
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

_EPOCHS = 40
_LEAST_EPOCHS, _STEPS_WITH_FEATURES = 10, 400
_STATISTICS_SAMPLE = 2048  # images; the mean of each channel is then within 1 %


@estimator
class BaseImageClusterer(ViewMaker, ABC):
    """Base of the estimators; a subclass says what its method changes.

    A subclass writes `_make_backbone`, `_make_contrast` and `_make_objective`, and may
    add callbacks or neighbours in `_arrange_positives`.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    n_cluster_heads : int, default=4
        Cluster heads that shape the embedding together.
    assignment : {"mixture", "head"}, default="mixture"
        What labels an embedding: a Gaussian mixture of balanced parts
        (`sklearn_mfavb.readout.MixtureReadout`), fitted when training is over; or the
        cluster head that contrasts clusters best on the training images and their
        neighbours.
    balance_weight : float, default=1.0
        Weight of the term that keeps clusters equally large, and (up to 1) of equal
        sizes in the mixture. Lower it if the true clusters are of very different sizes;
        raise it if clusters stay empty.
    max_epochs : int or "auto", default="auto"
        Passes over the images. ``"auto"``: 40; with `clip`, as many as make 400 steps,
        but at least 10.
    learning_rate : float, default=0.001
        Peak learning rate of AdamW.
    warmup_epochs : int, default=2
        Epochs in which the learning rate rises; then it falls along a cosine.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the forward and backward pass in training; losses and predictions
        are always in float32. ``"auto"``: bfloat16 on CUDA devices and x86 CPUs that
        multiply it natively, else float32.
    callbacks : list of skorch callbacks, default=None
        Added to our own; instances or pairs (name, callback). There is no validation
        loss: `EarlyStopping` needs ``monitor="train_loss"``.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`. The same seed gives the same labels on the
        same kind of device and versions; torch's and NumPy's global states are left
        alone.

    Attributes
    ----------
    labels_ : ndarray of int64 of shape (n_samples,)
        Cluster of every image passed to `fit`; -1 for skipped files.
    n_iter_ : int
        Number of epochs run.
    history_ : list of dict
        One dict per epoch: ``epoch``, ``loss``, ``instance_loss``, ``cluster_loss``,
        ``balance_loss``, ``information_loss`` (weighted; they add up to ``loss``) and
        ``seconds``.
    paths_ : list of str or None
        The files that were read, in the order of `labels_`; None for arrays.
    skipped_ : dict of int to str
        Why files were skipped, by their index in `labels_`.
    """

    n_clusters: int = field(default=8, kw_only=False)
    n_cluster_heads: int = 4
    assignment: Literal["mixture", "head"] = "mixture"
    balance_weight: float = 1.0
    max_epochs: int | Literal["auto"] = "auto"
    learning_rate: float = 1e-3
    warmup_epochs: int = 2
    weight_decay: float = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    callbacks: list | None = None
    warm_start: bool = False
    random_state: Any = None
    labels_: NDArray[np.int64] = field(init=False)
    n_iter_: int = field(init=False)
    history_: list[dict[str, float]] = field(init=False)
    paths_: list[str] | None = field(init=False)
    skipped_: dict[int, str] = field(init=False)

    _parameter_constraints: ClassVar[dict] = {
        **ViewMaker._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_cluster_heads": [Interval(Integral, 1, None, closed="left")],
        "assignment": [StrOptions({"mixture", "head"})],
        "balance_weight": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> Backbone:
        """Build the network from views to embeddings."""

    @abstractmethod
    def _make_contrast(self, first: Augmentation, second: Augmentation) -> Contrast:
        """Say which views are made and which are contrasted."""

    @abstractmethod
    def _make_objective(self) -> torch.nn.Module:
        """Build the loss, term by term."""

    def _arrange_positives(self, dataset: ImageDataset) -> list[tuple[str, Callback]]:
        """Give the data set neighbours, or return callbacks that will."""
        return []

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, clip_features: Any = None) -> Self:
        """Train the network on images and label them.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, one row for each, of any encoder; for
            ``clip="precomputed"`` only.

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
            return self._fit(X, clip_features)
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X: Any, clip_features: Any) -> Self:
        """Fit; what it leaves half done when it fails is undone by `fit`."""
        source = self._read_images(X, reset=True)
        size = self._resolve_image_size(source)
        dataset = self._readable_dataset(source, size, self.n_clusters)
        features = self._read_features(source, clip_features, reset=True)
        dataset.reads_images = self._sees_images
        if features is not None:
            dataset.features = torch.from_numpy(features[dataset.indices])
        device = resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with local_seed(seed, device):
            net = self._train(dataset, device)

        previous = self.history_ if self.warm_start and hasattr(self, "net_") else []
        self.net_ = net
        self.image_format_ = source.format
        self.image_size_ = size
        self.history_ = previous + read_history(net, n_before=len(previous))
        self.n_iter_ = len(self.history_)
        self.readout_ = self._make_readout(dataset, features, seed)
        self.labels_ = self._label(source, features)
        self.paths_ = source.paths
        self.skipped_ = dict(source.unreadable)
        self._warn_if_degenerate(n_epochs=len(self.history_) - len(previous))
        return self

    def _make_readout(
        self, dataset: ImageDataset, features: Rows | None, seed: int
    ) -> torch.nn.Module:
        """Find how embeddings are labelled: by a mixture, or by the best head."""
        network = self.net_.module_.eval()
        embedding = self._apply(network.embed, dataset.source, features)
        embedding = embedding[dataset.indices]
        device = torch.device(self.net_.device)
        if self.assignment == "head":
            heads = network.cluster_heads
            return choose_head(heads, embedding, dataset.neighbors, device=device)
        balance = self.balance_weight
        return fit_mixture(embedding, self.n_clusters, balance=balance, seed=seed).to(
            device
        )

    def _train(self, dataset: ImageDataset, device: torch.device) -> ClusteringNet:
        """Build a network and skorch's loop around it, and run the loop."""
        network = self._make_network(dataset)
        choose_attention(network, device)
        batch_size = self._resolve_batch_size(len(dataset))
        steps_per_epoch = math.ceil(len(dataset) / batch_size)
        max_epochs = self._resolve_max_epochs(dataset, steps_per_epoch)
        schedule = WarmupCosine(
            n_steps=max_epochs * steps_per_epoch,
            n_warmup_steps=min(self.warmup_epochs, max_epochs) * steps_per_epoch,
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
            max_epochs=max_epochs,
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
                *check_callbacks(self.callbacks or ()),
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

    def _resolve_max_epochs(self, dataset: ImageDataset, steps_per_epoch: int) -> int:
        """Replace ``"auto"``: with features, so many steps are enough for any set."""
        if self.max_epochs != "auto":
            return self.max_epochs
        if dataset.features is None:
            return _EPOCHS
        return max(_LEAST_EPOCHS, math.ceil(_STEPS_WITH_FEATURES / steps_per_epoch))

    def _make_network(self, dataset: ImageDataset) -> ClusteringNetwork:
        """Build backbone and heads; with warm_start, take over the learned weights."""
        source = dataset.source
        sample = torch.randperm(len(dataset))[:_STATISTICS_SAMPLE].numpy()
        mean, std = pixel_statistics(source, dataset.size, dataset.indices[sample])
        feature_dim = None if dataset.features is None else dataset.features.shape[1]
        backbone = self._make_backbone(dataset.size, source.n_channels, feature_dim)
        network = ClusteringNetwork(
            backbone,
            InstanceHead(backbone.embed_dim),
            ClusterHeads(backbone.embed_dim, self.n_clusters, self.n_cluster_heads),
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
        max_epochs = self.net_.max_epochs
        if n_epochs < max_epochs:
            warnings.warn(
                f"Training stopped after {n_epochs} of max_epochs={max_epochs} "
                "epochs; the labels are those of the network as it was then.",
                ConvergenceWarning,
                stacklevel=4,
            )
