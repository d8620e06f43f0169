"""What all estimators share: a network is trained on images and labels them."""

import os
import warnings
from abc import ABC
from dataclasses import field
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.estimators._clip import Rows
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._identity import describe_training
from sklearn_mfavb.estimators._inference import select_rows
from sklearn_mfavb.estimators._reading import find_readable
from sklearn_mfavb.estimators._readout import (
    balanced_contrast,
    choose_head,
    fit_kmeans,
    fit_mixture,
)
from sklearn_mfavb.estimators._sklearn_callbacks import (
    CallbackSupportMixin,
    FitTask,
    History,
)
from sklearn_mfavb.estimators._training import NetworkTrainer
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.training import (
    Checkpoint,
    ClusteringNet,
    TrainingLog,
    Unkept,
    local_seed,
    resolve_device,
)


@estimator
class BaseImageClusterer(CallbackSupportMixin, NetworkTrainer, ABC):
    """Base of the estimators; a subclass says what its method changes.

    See `NetworkTrainer` for what it writes.

    Parameters
    ----------
    n_cluster_heads : int, default=4
        Cluster heads that shape the embedding together.
    assignment : {"mixture", "kmeans", "head"}, default="mixture"
        What labels an embedding. ``"mixture"``: a Gaussian mixture of balanced parts
        (`sklearn_mfavb.readout.MixtureReadout`), fitted when training is over.
        ``"kmeans"``: centers of k-means, fitted then; probabilities fall with the
        distance by Student's t. ``"head"``: the cluster head that does best, by the
        method's own loss, on the training images and their neighbours.
    balance_weight : float, default=1.0
        Weight of the term that keeps clusters equally large, and (up to 1) of equal
        sizes in the mixture. Lower it if the true clusters are of very different sizes;
        raise it if clusters stay empty.
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
        One dict per epoch: ``epoch``, ``stage`` (of methods that have several),
        ``loss``, its terms (``instance_loss`` and so on; weighted, they add up to
        ``loss``) and ``seconds``.
    paths_ : list of str or None
        The files that were read, in the order of `labels_`; None for arrays.
    skipped_ : dict of int to str
        Why files were skipped, by their index in `labels_`.
    """

    _against_collapse: ClassVar[str] = "raise balance_weight, "

    n_cluster_heads: int = 4
    assignment: Literal["auto", "mixture", "kmeans", "head"] = "mixture"
    balance_weight: float = 1.0
    random_state: Any = None
    labels_: NDArray[np.int64] = field(init=False)
    n_iter_: int = field(init=False)
    history_: list[dict[str, Any]] = field(init=False)
    paths_: list[str] | None = field(init=False)
    skipped_: dict[int, str] = field(init=False)

    _parameter_constraints: ClassVar[dict] = {
        **NetworkTrainer._parameter_constraints,
        "n_cluster_heads": [Interval(Integral, 1, None, closed="left")],
        "assignment": [StrOptions({"mixture", "kmeans", "head"})],
        "balance_weight": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _make_heads(self, embed_dim: int) -> tuple[InstanceHead, ClusterHeads]:
        """Build the heads of VTCC: three layers, with batch normalisation."""
        return (
            InstanceHead(embed_dim),
            ClusterHeads(embed_dim, self.n_clusters, self.n_cluster_heads),
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, clip_features: Any = None) -> Self:
        """Train the network on images and label them.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used; handed to scikit-learn's callbacks, which may score by it.
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
        task = FitTask(self, X, y, clip_features=clip_features)
        before = dict(vars(self))  # with what tears callbacks down
        try:
            return self._fit(X, clip_features, task)
        except BaseException:
            self.__dict__ = before
            raise

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file that `sklearn_mfavb.load` reads.

        The file holds numbers and plain values (safetensors and JSON) and nothing that
        runs when it is read, unlike a pickle. It has all that prediction needs, a CLIP
        encoder included, and loads without a GPU too.

        Parameters
        ----------
        path : str or path-like
            The file, of any name. One that is there is replaced as a whole, when the
            new one has been read back and predicts alike; else it stays as it is.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a parameter or an attribute cannot be saved.
        ValueError
            If parameters were changed after `fit` to those of another network.
        OSError
            If the file cannot be written.

        Warns
        -----
        UserWarning
            If parameters that only training needs are code (augmentations, callbacks)
            or a random generator; `load` gives them their defaults. A function as
            `backbone` has to be passed to `load`.
        """
        from sklearn_mfavb.persistence import save_estimator

        save_estimator(self, path)

    def _fit(self, X: Any, clip_features: Any, task: FitTask) -> Self:
        """Fit; what it leaves half done when it fails is undone by `fit`."""
        source = self._read_images(X, reset=True)
        size = self._resolve_image_size(source)
        dataset = self._readable_dataset(source, size, self.n_clusters)
        features = self._read_features(source, clip_features, reset=True)
        dataset.reads_images = self._sees_images
        if features is not None:
            # Files that vanished before they were embedded take no part.
            dataset.indices = find_readable(source, self.n_clusters)
            dataset.features = torch.from_numpy(features[dataset.indices])
        device = resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        log = self._open_log(dataset, seed, device)
        conclude = partial(
            type(self)._conclude, dataset=dataset, features=features, seed=log.seed
        )
        task.begin(sum(self._count_epochs(dataset)) - log.n_past_epochs(), conclude)
        with local_seed(log.seed, device):
            net, history = self._train(dataset, device, log, task)
        conclude(self, net, history)
        task.end()
        log.close()
        self._warn_if_degenerate(n_epochs=len(history))
        return self

    def _conclude(
        self,
        net: ClusteringNet,
        history: History,
        *,
        dataset: ImageDataset,
        features: Rows | None,
        seed: int,
    ) -> None:
        """Take over what was trained, and label the images."""
        source = dataset.source
        previous = self.history_ if self.warm_start and hasattr(self, "net_") else []
        self.net_ = net
        self.image_format_ = source.format
        self.image_size_ = dataset.size
        self.history_ = previous + [
            {**row, "epoch": len(previous) + row["epoch"]} for row in history
        ]
        self.n_iter_ = len(self.history_)
        # Modules draw weights before they are given any.
        with local_seed(seed, torch.device(net.device)):
            self.readout_ = self._make_readout(dataset, features, seed)
        self.labels_ = self._label(source, features)
        self.paths_ = source.paths
        self.skipped_ = dict(source.unreadable)

    def _open_log(
        self, dataset: ImageDataset, seed: int, device: torch.device
    ) -> TrainingLog:
        """Open the file in which training is kept, if there is to be one."""
        if self.checkpoint is None:
            return Unkept(seed)
        identity = describe_training(self, dataset)
        return Checkpoint(self.checkpoint, identity, seed=seed, device=device)

    def _make_readout(
        self, dataset: ImageDataset, features: Rows | None, seed: int
    ) -> torch.nn.Module:
        """Find how embeddings are labelled."""
        embedding = self._apply(self._embed_view, dataset.source, features)
        embedding = select_rows(embedding, dataset)
        device = torch.device(self.net_.device)
        n_clusters = self.n_clusters
        assignment = self._resolve_assignment()
        if assignment == "mixture":
            balance = self.balance_weight
            readout = fit_mixture(embedding, n_clusters, balance=balance, seed=seed)
            return readout.to(device)
        if assignment == "kmeans":
            return fit_kmeans(embedding, n_clusters, seed=seed).to(device)
        heads = self.net_.module_.cluster_heads
        chosen = choose_head(
            heads, embedding, dataset.neighbors, loss=self._judge_head, device=device
        )
        return heads[chosen]

    def _resolve_assignment(self) -> str:
        """Replace ``"auto"``, where a class has it."""
        return self.assignment

    def _judge_head(self, assignment: torch.Tensor, of_positives: torch.Tensor) -> Any:
        """Score what a head says of images and their positives; lower is better."""
        return balanced_contrast(assignment, of_positives)

    def _warn_if_degenerate(self, n_epochs: int) -> None:
        """Warn about clusters that hold nothing."""
        sizes = np.bincount(self.labels_[self.labels_ >= 0], minlength=self.n_clusters)
        n_found = np.count_nonzero(sizes)
        if n_found < self.n_clusters:
            warnings.warn(
                f"Only {n_found} of n_clusters={self.n_clusters} clusters hold images "
                f"after {n_epochs} epochs (sizes {sizes.tolist()}). Train longer "
                f"(max_epochs), {self._against_collapse}change the augmentation or ask "
                "for fewer clusters.",
                ConvergenceWarning,
                stacklevel=5,
            )
