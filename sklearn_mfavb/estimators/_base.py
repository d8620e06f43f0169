"""The base of all estimators: images or features in, labels out."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.assignment import balanced_contrast, check_assignment
from sklearn_mfavb.distributed import joint_fit, rank
from sklearn_mfavb.estimators._augmentations import as_augmentation
from sklearn_mfavb.estimators._constraints import COMMON_CONSTRAINTS
from sklearn_mfavb.estimators._fit import (
    FitResult,
    fit_model,
    warn_of_empty_clusters,
)
from sklearn_mfavb.estimators._inputs import (
    count_clusters,
    fingerprint_inputs,
    read_inputs,
)
from sklearn_mfavb.estimators._model import ClusteringModel, Rows
from sklearn_mfavb.estimators._prediction import Prediction, predict_batches
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.features import as_transformer
from sklearn_mfavb.images import ImageDataset, Reading
from sklearn_mfavb.naming import numbered_names
from sklearn_mfavb.neighbors import cosine_neighbors
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.parameters import GroupedParameters
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import (
    Runtime,
    Stage,
    Training,
    auto_batch_size,
    resolve_runtime,
)
from sklearn_mfavb.views import ViewShape
from sklearn_mfavb.warn import warn_user
from sklearn_mfavb.words import Words, read_words


class BaseImageClusterer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    GroupedParameters,
    ABC,
):
    """Base of the estimators.

    A subclass has a constructor with the parameters that all of them share and its own,
    and writes `_make_network` and `_plan`.
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
        before = dict(vars(self))
        try:
            with torch.inference_mode(mode=False), joint_fit():
                check_assignment(self.assignment, self.n_clusters)
                dataset, encoders = read_inputs(self, X, features)
                self.n_clusters_, self.n_clusters_scores_ = count_clusters(
                    self, dataset
                )
                self._set_learned(dataset, fit_model(self, dataset, encoders))
        except BaseException:
            self.__dict__ = before
            raise
        warn_of_empty_clusters(self.labels_, self.n_clusters_, self.n_iter_)
        return self

    def fit_transform(self, X: Any, y: Any = None, *, features: Any = None) -> Rows:
        """Train the network on images, and return their embeddings, ``embedding_``.

        Parameters
        ----------
        X, y, features
            As for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        return self.fit(X, features=features).embedding_.copy()  # users may change it

    def predict(self, X: Any, *, features: Any = None) -> Any:
        """Label images by their most likely cluster.

        Parameters
        ----------
        X : array-like, path, sequence or iterator
            Images or features, as for `fit`; or an iterator (a generator, say) of
            batches of them, of any sizes, of which a few are in memory at a time.
        features : array-like of shape (n_samples, n_features), default=None
            As for `fit`.

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
        return Prediction(self, X, features).labels()

    def predict_proba(self, X: Any, *, features: Any = None) -> Rows:
        """Return the probability of every cluster for every image.

        Parameters
        ----------
        X, features
            As for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_clusters)
            Rows sum to one; NaN for files that were skipped.
        """
        return Prediction(self, X, features).probabilities()

    def score_samples(self, X: Any, *, features: Any = None) -> Rows:
        """Score how normal images are beside those that `fit` has seen.

        Parameters
        ----------
        X, features
            As for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples,)
            The higher, the more normal: the mean cosine with typical training images,
            see `sklearn_mfavb.outliers.OutlierScorer`. NaN for files that were skipped.
        """
        return Prediction(self, X, features).normality()

    def transform(self, X: Any, *, features: Any = None) -> Rows:
        """Embed images: the output of the backbone, before the heads.

        Parameters
        ----------
        X, features
            As for `fit`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        return Prediction(self, X, features).embedding()

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
        X, features
            As for `fit`.
        y : Ignored
            Not used. To score against classes use a scorer of `sklearn_mfavb.metrics`.

        Returns
        -------
        float
            At most 1; higher is better, and 0 is chance.
        """
        images = Prediction(self, X, features)
        return images.agreement(images.find().labels)

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
            As for `fit`.

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
            queries = Prediction(self, X, features).find().embedding
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
        names = self.model_.name_clusters(
            self.cluster_features_, read_words(words), self.verbose
        )
        if names is None and words is not None:
            warn_user(
                "words name no clusters, which keep their numbers: no encoder is a "
                "model of open_clip with the weights of its text tower."
            )
        self.cluster_names_ = names or numbered_names(self.n_clusters_)
        return self

    def _set_learned(self, dataset: ImageDataset, result: FitResult) -> None:
        """Set what was learned, and what is known of the training images."""
        source, table = dataset.source, dataset.features
        is_encoded = table is not None and not table.is_precomputed
        self.model_ = result.model
        self.history_ = result.history
        self.n_iter_ = len(self.history_)
        self.max_epochs_ = result.max_epochs
        self.image_size_ = dataset.size
        self.labels_, self.probabilities_, self.embedding_ = result.found
        self.features_ = dataset.expand(table.columns()) if is_encoded else None
        self.paths_ = None if source is None else source.paths
        self.skipped_ = dict(dataset.unreadable)
        self.cluster_names_ = numbered_names(self.n_clusters_)
        self.cluster_features_ = self.model_.mean_features(
            dataset, self.labels_, self.n_clusters_
        )
        self._fingerprint = fingerprint_inputs(dataset)

    def _runtime(self, device: str | torch.device | None = None) -> Runtime:
        """Return how a network is run on a device; None: where the fitted one is."""
        precision = self._group("training").precision
        device = self.model_.device if device is None else device
        return resolve_runtime(device, precision, self.batch_size)

    def _resolve_batch_size(self, dataset: ImageDataset) -> int:
        """Replace ``"auto"``: several steps for few images, enough of each cluster."""
        if self.batch_size != "auto":
            return self.batch_size
        n_pairs = self._n_pairs(dataset)
        return auto_batch_size(len(dataset), self.n_clusters_, n_pairs)

    def _n_pairs(self, dataset: ImageDataset) -> int:
        """Return the number of pairs of views that are drawn of each image."""
        return 1

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
