"""The base of all estimators: images or features in, labels out."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.assignment import balanced_contrast, check_assignment
from sklearn_mfavb.distributed import agree, joint_fit, rank
from sklearn_mfavb.estimators._constraints import COMMON_CONSTRAINTS
from sklearn_mfavb.estimators._fit import (
    Recipe,
    continue_history,
    fit_model,
    warn_of_empty_clusters,
)
from sklearn_mfavb.estimators._inputs import (
    find_n_clusters,
    fingerprint_inputs,
    make_dataset,
    open_inputs,
    resolve_image_size,
    score_labels,
)
from sklearn_mfavb.estimators._model import ClusteringModel
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.estimators._stream import predict_batches
from sklearn_mfavb.estimators._views import as_augmentation
from sklearn_mfavb.features import (
    FeatureTable,
    FrozenEncoder,
    as_transformer,
    embed_words,
    fit_encoders,
    is_precomputed,
    take_places,
)
from sklearn_mfavb.images import ImageDataset, ImageSource, Reading
from sklearn_mfavb.naming import numbered_names
from sklearn_mfavb.neighbors import cosine_neighbors
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.parameters import GroupedParameters
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import (
    LARGEST_BATCH,
    Runtime,
    Stage,
    Training,
    auto_batch_size,
    open_checkpoint,
    resolve_autocast,
    resolve_device,
)
from sklearn_mfavb.views import ViewShape
from sklearn_mfavb.warn import warn_user
from sklearn_mfavb.words import Words, propose_names, read_words

Rows = NDArray[np.float32]

_USUAL_N_CLUSTERS = 10  # of which encoders are compared if their number is not known


class BaseImageClusterer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    GroupedParameters,
    ABC,
):
    """Base of the estimators.

    A subclass has a constructor with the parameters below and its own, and writes
    `_make_network` and `_plan`. See any of the estimators for the parameters.
    """

    _groups: ClassVar[dict[str, Any]] = {"reading": Reading, "training": Training}

    _short_forms: ClassVar[dict[str, Any]] = {
        "augmentation": as_augmentation,
        "encoder": as_transformer,
        "positives": Neighbors.of,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = COMMON_CONSTRAINTS

    n_clusters: int | Literal["auto"]
    encoder: Any
    use_pixels: Any
    image_size: Any
    augmentation: Any
    positives: Any
    assignment: Any
    outliers: float | Literal["auto"]
    backbone: Any
    max_epochs: Any
    batch_size: Any
    device: Any
    random_state: Any
    verbose: int
    balance: float | Literal["auto"] = "auto"  # of the sizes of clusters in a mixture

    labels_: NDArray[np.int64]
    embedding_: Rows
    probabilities_: Rows
    features_: Rows | None
    n_clusters_: int
    n_clusters_scores_: dict[int, list[float]] | None
    cluster_names_: list[str]
    cluster_features_: Rows
    model_: ClusteringModel
    image_size_: tuple[int, int] | None
    history_: list[dict[str, Any]]
    n_iter_: int
    max_epochs_: int
    paths_: list[str] | None
    skipped_: dict[int, str]

    @abstractmethod
    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build the network for views of a shape, with random weights."""

    @abstractmethod
    def _plan(self, setup: FitSetup) -> Sequence[Stage]:
        """Plan the training of the network: one stage, or several in order."""

    def _head_loss(self, assignment: Tensor, of_positives: Tensor) -> Tensor:
        """Score a cluster head on images and their positives; lower is better."""
        return balanced_contrast(assignment, of_positives)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, features: Any = None) -> Self:
        """Train the network on images and label them.

        Parameters
        ----------
        X : array-like, path or sequence
            Images: an array of shape (n_samples, height, width), (n_samples, height,
            width, n_channels) or (n_samples, n_channels, height, width), rows of
            flattened images, a folder, a sequence of paths, of PIL images or of arrays,
            or a map-style torch dataset. With ``encoder="precomputed"``, also rows of
            features, of shape (n_samples, n_features).
        y : Ignored
            Not used; present for consistency with scikit-learn.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images in X, for ``encoder="precomputed"``; a list or dict
            of arrays for several encoders.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If X cannot be read, or parameters contradict each other or X.
        FloatingPointError
            If the loss stops being finite.

        Notes
        -----
        A fit that fails leaves the estimator as it was. Ctrl-C ends training after the
        last complete epoch; images are then labeled as usual, with a
        `ConvergenceWarning`.
        """
        self._fit(X, features)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None, *, features: Any = None) -> Rows:
        """Train the network on images, label them, and return their embeddings.

        Parameters
        ----------
        X : array-like, path or sequence
            Images or features, as for `fit`.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        return self._fit(X, features)

    def predict(self, X: Any, *, features: Any = None) -> Any:
        """Label images by their most likely cluster.

        Parameters
        ----------
        X : array-like, path, sequence or iterator
            Images or features, as for `fit`; or an iterator (a generator, say) of
            batches of them, of any sizes, of which a few are in memory at a time.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Clusters from 0 to ``n_clusters - 1``; -1 for outliers, and for files that
            were skipped. For an iterator, an iterator of such arrays, one a batch.

        Raises
        ------
        ValueError
            If X cannot be read.
        ChildProcessError
            If a worker of joblib is lost; the error names the images that it had.

        Notes
        -----
        The images are divided among the workers of `joblib.parallel_config`, if it was
        called: processes, Dask, Ray or Spark. Labels are those of one process.

        Examples
        --------
        >>> from sklearn_mfavb import MFAVBClustering
        >>> from sklearn_mfavb.datasets import make_shape_images
        >>> images, _ = make_shape_images(40, n_clusters=2, image_size=8)
        >>> clusterer = MFAVBClustering(2, max_epochs=2, random_state=0).fit(images)
        >>> batches = (images[start : start + 16] for start in range(0, 40, 16))
        >>> [len(labels) for labels in clusterer.predict(batches)]
        [16, 16, 8]
        """
        if isinstance(X, Iterator):
            return predict_batches(self, X, features)
        return self._label(self._open(X, features))

    def predict_proba(self, X: Any, *, features: Any = None) -> Rows:
        """Return the probability of every cluster for every image.

        Parameters
        ----------
        X : array-like, path or sequence
            Images or features, as for `fit`.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_clusters)
            Rows sum to one; NaN for files that were skipped.
        """
        dataset = self._open(X, features)
        return dataset.expand(self.model_.probabilities(dataset, self._runtime()))

    def score_samples(self, X: Any, *, features: Any = None) -> Rows:
        """Score how normal images are beside those that `fit` has seen.

        Parameters
        ----------
        X : array-like, path or sequence
            Images or features, as for `fit`.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples,)
            The higher, the more normal: the mean cosine with typical training images,
            see `sklearn_mfavb.outliers.OutlierScorer`. NaN for files that were skipped.
        """
        dataset = self._open(X, features)
        return dataset.expand(self.model_.score_samples(dataset, self._runtime()))

    def transform(self, X: Any, *, features: Any = None) -> Rows:
        """Embed images: the output of the backbone, before the heads.

        Parameters
        ----------
        X : array-like, path or sequence
            Images or features, as for `fit`.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        dataset = self._open(X, features)
        return dataset.expand(self.model_.embed(dataset, self._runtime()))

    def score(self, X: Any, y: Any = None, *, features: Any = None) -> float:
        """Score the labels of images without classes: agreement with neighbors.

        The part of an image's label that its 10 nearest images in X confirm, beyond
        chance (`sklearn_mfavb.metrics.neighbor_agreement`). Neighbors are found by the
        angle between features of the encoders if there are any, else by pixels,
        averaged down to 16 a side. These spaces do not depend on what was learned, so
        the score compares any settings but `encoder`, and `outliers`, which do not
        count. On photographs a score by pixels says little.

        Parameters
        ----------
        X : array-like, path or sequence
            Images or features, as for `fit`.
        y : Ignored
            Not used. To score against classes use a scorer of `sklearn_mfavb.metrics`.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, as for `fit`.

        Returns
        -------
        float
            At most 1; higher is better, and 0 is chance.
        """
        dataset = self._open(X, features)
        labels, _, _ = self._find(dataset)
        return score_labels(labels, dataset, self._runtime())

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int = 5,
        return_distance: bool = True,
        *,
        features: Any = None,
    ) -> tuple[Rows, NDArray[np.int64]] | NDArray[np.int64]:
        """Find the training images that are most like some images.

        Images are compared by the cosine of their embeddings.

        Parameters
        ----------
        X : array-like, path or sequence, default=None
            Images or features, as for `fit`. None: the training images, where an image
            is not its own neighbor.
        n_neighbors : int, default=5
            Number of neighbors of each image.
        return_distance : bool, default=True
            Whether to return distances too.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images in X, as for `fit`.

        Returns
        -------
        distances : ndarray of float32 of shape (n_samples, n_neighbors)
            Cosine distances, from 0 to 2, the nearest first; NaN for files that were
            skipped. Only if `return_distance` is True.
        indices : ndarray of int64 of shape (n_samples, n_neighbors)
            Training images, as in `labels_` and `paths_`; -1 for files that were
            skipped.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted, or its embeddings were not saved.
        ValueError
            If there are fewer training images than `n_neighbors`.

        Examples
        --------
        >>> from sklearn_mfavb import MFAVBClustering
        >>> from sklearn_mfavb.datasets import make_shape_images
        >>> images, _ = make_shape_images(60, image_size=8, random_state=0)
        >>> clusterer = MFAVBClustering(3, max_epochs=2, random_state=0).fit(images)
        >>> distances, indices = clusterer.kneighbors(images[:4])
        >>> distances.shape, indices[:, 0]  # the nearest is the image itself
        ((4, 5), array([0, 1, 2, 3]))
        """
        check_is_fitted(self)
        if not hasattr(self, "embedding_"):
            raise NotFittedError(
                "kneighbors compares images with those passed to fit, whose embeddings "
                "were not saved: save with embeddings=True, or fit again."
            )
        queries = None
        if X is not None or features is not None:
            _, _, queries = self._find(self._open(X, features))
        distances, indices = cosine_neighbors(self.embedding_, n_neighbors, queries)
        return (distances, indices) if return_distance else indices

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        encoder: bool = True,
        embeddings: bool = True,
    ) -> None:
        """Write the fitted estimator to a file that `sklearn_mfavb.load` reads.

        The file holds numbers and plain values (safetensors and JSON) and no code,
        unlike a pickle. It has all that prediction needs, encoders included, and loads
        without a GPU too. Of several processes that trained together only the first
        writes.

        Parameters
        ----------
        path : str or path-like
            The file. An existing one is replaced once the new one is complete.
        encoder : bool, default=True
            Whether to write the weights of encoders, 172 MB for OpenAI's ViT-B/16.
            Without them, `predict` of the loaded estimator looks for the encoder where
            `fit` found it, by its name or file, and checks the weights.
        embeddings : bool, default=True
            Whether to write `embedding_`, `probabilities_` and `features_`, 4 bytes for
            each number. Without them, a loaded estimator has no `kneighbors`, and
            embeds the training images again for Displays, the report and `score`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a parameter or an attribute cannot be saved.
        OSError
            If the file cannot be written.

        Warns
        -----
        UserWarning
            If parameters that only training needs are code (augmentations, callbacks);
            `load` gives them their defaults.
        """
        from sklearn_mfavb.persistence import save_estimator

        if rank() == 0:
            save_estimator(self, path, encoder=encoder, embeddings=embeddings)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the embedding's entries: the class and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns that `fit` has seen; for images, ignored.

        Returns
        -------
        ndarray of str
        """
        is_table = hasattr(self, "n_features_in_")
        return super().get_feature_names_out(input_features if is_table else None)

    def name_clusters(self, words: Words = None) -> Self:
        """Propose a name for every cluster: a word that tells it from the others.

        The text tower of the first encoder that has one compares words with
        ``cluster_features_``; see `sklearn_mfavb.words.score_words`. On a CPU this
        takes a minute, unless the encoder's ``cache_dir`` has the features of words.

        Parameters
        ----------
        words : str, path-like or sequence of str, default=None
            A text file in UTF-8 with one word or phrase a line, or a list of words;
            None stands for 3,610 nouns of things, animals, plants, food and places.

        Returns
        -------
        self : object
            With ``cluster_names_``: "cluster 0" and so on if no encoder is a model of
            open_clip, with the weights of its text tower; of `words` that are given, a
            warning tells so.

        Raises
        ------
        OSError
            If a file cannot be opened, or the text tower cannot be obtained.
        ValueError
            If there are no words, one is there twice, or a file is not UTF-8.
        """
        check_is_fitted(self)
        checked, start = read_words(words), 0
        names = numbered_names(self.n_clusters_)
        for each in self.model_.encoders:
            own = self.cluster_features_[:, start : start + each.feature_dim]
            rows = embed_words(each.transformer, checked, verbose=self.verbose)
            if rows is not None:
                names = propose_names(own, rows, checked)
                break
            start += each.feature_dim
        else:
            if words is not None:
                warn_user(
                    "words name no clusters, which keep their numbers: no encoder is a "
                    "model of open_clip with the weights of its text tower."
                )
        self.cluster_names_ = names
        return self

    def _fit(self, X: Any, features: Any) -> Rows:
        """Fit, and return the embeddings; a failure leaves everything as it was."""
        before = dict(vars(self))
        try:
            with torch.inference_mode(mode=False), joint_fit():
                dataset, encoders = self._read(X, features)
                self._train(dataset, encoders)
        except BaseException:
            self.__dict__ = before
            raise
        warn_of_empty_clusters(self.labels_, self.n_clusters_, self.n_iter_)
        return self.embedding_

    def _read(self, X: Any, features: Any) -> tuple[ImageDataset, list[FrozenEncoder]]:
        """Open and encode what was passed to `fit`, and count the clusters."""
        X, source, features = open_inputs(self, X, features, image_format=None)
        if source is not None:
            _ = source.fingerprint  # now, so that files which change later are noticed
        looks = self.encoder is None if self.use_pixels == "auto" else self.use_pixels
        if self.encoder is None and not looks:
            raise ValueError(
                "use_pixels=False leaves nothing to look at without an encoder: set "
                "encoder='ViT-B-32', for example, or use_pixels=True."
            )
        check_assignment(self.assignment, self.n_clusters)
        size = resolve_image_size(self.image_size, source, looks)
        if source is not None and size is not None:
            source.keep(size)  # one decoding serves the encoders and the network
            if is_precomputed(self.encoder):
                source.verify(
                    size, verbose=self.verbose
                )  # features of broken files are not to count
        asked = None if self.n_clusters == "auto" else self.n_clusters
        encoders, rows = fit_encoders(
            self.encoder,
            X,
            source,
            features,
            n_clusters=asked or _USUAL_N_CLUSTERS,
            device=self.device,
            verbose=self.verbose,
        )
        dataset = make_dataset(source, size, rows, asked or 1, self.verbose)
        own = self._features_of_user(dataset)
        self._fingerprint = fingerprint_inputs(source, own)
        self._count_clusters(dataset)
        return dataset, encoders

    def _features_of_user(self, dataset: ImageDataset) -> Any:
        """Return features that were passed, and not computed by an encoder."""
        return dataset.features if is_precomputed(self.encoder) else None

    def _count_clusters(self, dataset: ImageDataset) -> None:
        """Take over the number of clusters, or look for it."""
        if self.n_clusters != "auto":
            self.n_clusters_, self.n_clusters_scores_ = self.n_clusters, None
        elif not (self._group("training").warm_start and hasattr(self, "model_")):
            # The network of an earlier fit is made for its number.
            runtime = self._runtime(resolve_device(self.device))
            self.n_clusters_, self.n_clusters_scores_ = find_n_clusters(
                dataset, runtime
            )

    def _train(self, dataset: ImageDataset, encoders: list[FrozenEncoder]) -> None:
        """Fit a model, and take over what it learned."""
        source, training = dataset.source, self._group("training")
        device = resolve_device(self.device)
        inference = self._runtime(device)
        runtime = replace(inference, batch_size=self._resolve_batch_size(dataset))
        random = check_random_state(self.random_state)
        seed = agree(random.randint(np.iinfo(np.int32).max))
        checkpoint = open_checkpoint(self.get_params(), dataset, seed, device)
        before = getattr(self, "model_", None) if training.warm_start else None
        continues = before is not None
        if checkpoint is not None:
            continues = checkpoint.continues_by(before)
            before = None if checkpoint.kept else before  # it holds what was learned
        assignment = self._resolve_assignment(dataset)
        is_name = isinstance(assignment, str)
        recipe = Recipe(
            n_clusters=self.n_clusters_,
            make_network=self._make_network,
            plan=self._plan,
            assignment=assignment if is_name else clone(assignment),
            balance=self.balance,
            outliers=self.outliers,
            head_loss=self._head_loss,
        )
        result = fit_model(
            recipe,
            dataset,
            encoders,
            training=training,
            runtime=runtime,
            inference=inference,
            seed=seed if checkpoint is None else checkpoint.seed,
            checkpoint=checkpoint,
            before=before,
            continues=continues,
            verbose=self.verbose,
        )
        earlier = self.history_ if before else []
        self.model_ = result.model
        self.history_ = continue_history(earlier, result.history)
        self.n_iter_ = len(self.history_)
        self.max_epochs_ = len(earlier) + result.max_epochs
        self.image_size_ = dataset.size
        probabilities = self.model_.assign(result.embedding, inference)
        self.labels_ = self._label(dataset, result.embedding, probabilities)
        self.embedding_ = dataset.expand(result.embedding)
        self.probabilities_ = dataset.expand(probabilities)
        rows = None if is_precomputed(self.encoder) else dataset.features
        self.features_ = None if rows is None else dataset.expand(rows.columns())
        self.paths_ = None if source is None else source.paths
        self.skipped_ = {} if source is None else dict(source.unreadable)
        self.cluster_names_ = numbered_names(self.n_clusters_)
        self.cluster_features_ = self.model_.mean_features(
            dataset, self.labels_, self.n_clusters_
        )
        if checkpoint is not None:
            checkpoint.close()

    def _open(self, X: Any, features: Any = None) -> ImageDataset:
        """Read and encode images as `fit` did; those of `fit` are encoded already."""
        check_is_fitted(self)
        model = self.model_
        X, source, features = open_inputs(
            self, X, features, image_format=model.image_format, reset=False
        )
        kept = getattr(self, "features_", None)
        if kept is not None and features is None and source and self._knows(source):
            source.unreadable.update(self.skipped_)
            table = FeatureTable.of_columns(model.encoders, kept)
            return ImageDataset(source, self.image_size_, None, table)
        take_places(model.encoders, self.encoder)
        return model.encode(X, source, features)

    def _knows(self, source: ImageSource | None, rows: Any = None) -> bool:
        """Whether `fit` was given these images and features, and none has changed."""
        known = getattr(self, "_fingerprint", None)
        n_images = len(rows if source is None else source)
        if known is None or n_images != len(self.labels_):
            return False
        return fingerprint_inputs(source, rows) == known

    def _find(self, dataset: ImageDataset) -> tuple[NDArray[np.int64], Rows, Rows]:
        """Return labels, probabilities and embeddings; what `fit` found is kept."""
        source = dataset.source
        if self._knows(source, self._features_of_user(dataset)):
            if source is not None:
                source.unreadable.update(self.skipped_)
            return self.labels_, self.probabilities_, self.embedding_
        model, runtime = self.model_, self._runtime()
        embedding = model.embed(dataset, runtime)
        probabilities = model.assign(embedding, runtime)
        labels = self._label(dataset, embedding, probabilities)
        return labels, dataset.expand(probabilities), dataset.expand(embedding)

    def _label(
        self,
        dataset: ImageDataset,
        embedding: Rows | None = None,
        probabilities: Rows | None = None,
    ) -> NDArray[np.int64]:
        """Return the likeliest cluster of every image; -1 for outliers and skipped."""
        model, runtime = self.model_, self._runtime()
        threshold = float(model.outliers.threshold)
        has_outliers = threshold > -np.inf
        if embedding is None and has_outliers:  # one pass serves labels and scores
            embedding = model.embed(dataset, runtime)
        if probabilities is None:
            probabilities = (
                model.probabilities(dataset, runtime)
                if embedding is None
                else model.assign(embedding, runtime)
            )
        labels = probabilities.argmax(axis=1).astype(np.float32)
        if has_outliers:
            scores = model.score_samples(dataset, runtime, embedding)
            labels[scores < threshold] = -1
        return np.nan_to_num(dataset.expand(labels), nan=-1).astype(np.int64)

    def _runtime(self, device: torch.device | None = None) -> Runtime:
        """Return how a fitted network is run."""
        device = self.model_.device if device is None else device
        dtype = resolve_autocast(self._group("training").precision, device)
        is_auto = self.batch_size == "auto"
        return Runtime(device, dtype, LARGEST_BATCH if is_auto else self.batch_size)

    def _resolve_assignment(self, dataset: ImageDataset) -> Any:
        """Replace ``"auto"`` in a class that has it."""
        return self.assignment

    def _resolve_batch_size(self, dataset: ImageDataset) -> int:
        """Replace ``"auto"``: several steps for few images, enough of each cluster."""
        if self.batch_size != "auto":
            return self.batch_size
        return auto_batch_size(len(dataset), self.n_clusters_)

    @property
    def _n_features_out(self) -> int:
        """Width of the embedding."""
        return self.model_.network.backbone.embed_dim

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that images and paths are accepted beside rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
