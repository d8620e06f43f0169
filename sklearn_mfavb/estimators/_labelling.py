"""The labelling half of every estimator: what a fitted network says of images."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import field
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_mfavb.estimators._clip import ClipReader, Rows
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._inference import apply_to_images, pixel_rows
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.training import ClusteringNet, autocast, resolve_autocast
from sklearn_mfavb.views import View

_SCORE_NEIGHBORS = 10
_SCORE_SIDE = 16  # pixels
_NETWORKS = {"readout_", "clip_encoder_"}  # besides net_, which skorch takes care of
LARGEST_BATCH = 256  # images; the "auto" of training does not go beyond


@estimator
class ImageLabeler(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, ClipReader
):
    """Methods that need a fitted network.

    Parameters
    ----------
    batch_size : int or "auto", default="auto"
        Most images in a step; epochs are split into batches of nearly equal size.
        ``"auto"``: an eighth of the images, but at least 8 per cluster and at most 256.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the network, in training and prediction; losses, and what labels
        are read off an embedding by, are always in float32. ``"auto"``: bfloat16 on
        CUDA devices and x86 CPUs that multiply it natively, else float32. Devices
        whose arithmetic differs may label an image between two clusters differently:
        none of 1,797 digits, where embeddings differed by 2 %.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The training loop; its ``module_`` is the network.
    readout_ : torch.nn.Module
        From embeddings to probabilities of the clusters.
    """

    batch_size: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    net_: ClusteringNet = field(init=False)
    readout_: nn.Module = field(init=False)

    _parameter_constraints: ClassVar[dict] = {
        **ClipReader._parameter_constraints,
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    }

    def __getstate__(self) -> dict[str, Any]:
        """Keep networks on the CPU, so that a machine without a GPU can load them."""
        state = super().__getstate__()
        for name in _NETWORKS & state.keys():
            is_away = any(part.device.type != "cpu" for part in _tensors(state[name]))
            state[name] = deepcopy(state[name]).cpu() if is_away else state[name]
        return state

    def __copy__(self) -> Self:
        """Share everything with the copy: pickling would move networks about."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(vars(self))
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bring networks to where the trained one was put."""
        super().__setstate__(state)
        for name in _NETWORKS & state.keys():
            vars(self)[name].to(self.net_.device)

    def __sklearn_tags__(self) -> Tags:
        """Say that embeddings are float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def predict(self, X: Any, *, clip_features: Any = None) -> NDArray[np.int64]:
        """Label images by their likeliest cluster.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Clusters from 0 to ``n_clusters - 1``; -1 for files that were skipped.
        """
        check_is_fitted(self)
        return self._label(*self._read(X, clip_features))

    def _read(self, X: Any, clip_features: Any) -> tuple[ImageSource, Rows | None]:
        """Read new images and their features as `fit` did."""
        if (self.clip is None) == hasattr(self, "feature_mean_"):
            raise ValueError(
                f"clip={self.clip!r} is not what this estimator was fitted with: set "
                "it back, or fit again."
            )
        source = self._read_images(X, reset=False)
        if clip_features is not None:
            # Rows of broken files do not count, so the files have to be known now.
            source.verify(self.image_size_)
        return source, self._read_features(source, clip_features, reset=False)

    def _label(self, source: ImageSource, features: Rows | None) -> NDArray[np.int64]:
        """Label checked images; the one path for fit and predict."""
        labels = self._probabilities(source, features).argmax(axis=1)
        labels[list(source.unreadable)] = -1
        return labels

    def predict_proba(
        self, X: Any, *, clip_features: Any = None
    ) -> NDArray[np.float32]:
        """Say how likely each cluster is for each image.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_clusters)
            Rows sum to one; NaN for files that were skipped.
        """
        check_is_fitted(self)
        return self._probabilities(*self._read(X, clip_features))

    def transform(self, X: Any, *, clip_features: Any = None) -> NDArray[np.float32]:
        """Embed images: the output of the backbone, before the heads.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        check_is_fitted(self)
        return self._apply(self._embed_view, *self._read(X, clip_features))

    def fit_transform(
        self, X: Any, y: Any = None, *, clip_features: Any = None
    ) -> NDArray[np.float32]:
        """Train the network on images and embed them.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        # Without clip_features this is scikit-learn's own; with them, `transform`
        # needs them as much as `fit` does.
        self.fit(X, y, clip_features=clip_features)
        return self.transform(X, clip_features=clip_features)

    def score(self, X: Any, y: Any = None, *, clip_features: Any = None) -> float:
        """Score a clustering without labels: how much neighbours tell of each other.

        The part of an image's label that its 10 nearest images in `X` confirm, beyond
        chance (`sklearn_mfavb.metrics.neighbor_agreement`). Neighbours are sought by
        the angle between CLIP features if there are any, else by pixels, averaged down
        to at most 16 a side: those spaces do not depend on what was learned, so the
        score compares settings of any kind but `clip`, numbers of clusters included.
        Where likeness of pixels means little, as in photographs, so does a score
        without CLIP.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used. To score against labels use a scorer of `sklearn_mfavb.metrics`
            or of scikit-learn's clustering metrics.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.

        Returns
        -------
        float
            At most 1; higher is better, and 0 is chance.

        Raises
        ------
        ValueError
            If no image can be read.
        """
        check_is_fitted(self)
        source, features = self._read(X, clip_features)
        return self._score_labels(self._label(source, features), source, features)

    def _score_labels(
        self, labels: NDArray[np.int64], source: ImageSource, features: Rows | None
    ) -> float:
        """Score labels of checked images; -1 marks those that were skipped."""
        readable = labels >= 0
        if not readable.any():
            raise ValueError(
                f"None of the {len(labels)} images can be read; the first: "
                f"{source.unreadable[0]}"
            )
        rows = _score_rows(source) if features is None else features
        neighbors = nearest_neighbors(rows[readable], _SCORE_NEIGHBORS)
        return neighbor_agreement(labels[readable], neighbors)

    def _probabilities(self, source: ImageSource, features: Rows | None) -> Rows:
        """Assign checked images by the single-view path."""
        readout = self.readout_.eval()
        return self._apply(
            lambda view: readout(self._embed_view(view)), source, features
        )

    def _embed_view(self, view: View) -> Tensor:
        """Embed clean images in the arithmetic of training; returns float32."""
        device = torch.device(self.net_.device)
        with autocast(device, resolve_autocast(self.precision, device)):
            return self.net_.module_.eval().embed(view).float()

    def _apply(
        self,
        function: Callable[[View], Tensor],
        source: ImageSource,
        features: Rows | None,
    ) -> Rows:
        """Apply a part of the network to every clean image."""
        return apply_to_images(
            function,
            source,
            self.image_size_,
            batch_size=LARGEST_BATCH if self.batch_size == "auto" else self.batch_size,
            device=self.net_.device,
            features=features,
            reads_images=self._sees_images,
        )

    @property
    def _n_features_out(self) -> int:
        """Width of what `transform` returns."""
        return self.net_.module_.backbone.embed_dim


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """List what of a network is on a device."""
    yield from module.parameters()
    yield from module.buffers()


def _score_rows(source: ImageSource) -> Rows:
    """Read the pixels by which neighbours are sought."""
    height, width = source.image_size
    side = min(width, _SCORE_SIDE)
    size = (1, width) if height == 1 else (min(height, _SCORE_SIDE), side)
    return pixel_rows(source, size)
