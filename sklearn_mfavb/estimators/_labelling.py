"""The labelling half of every estimator: what a fitted network says of images."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklearn_mfavb.estimators._inference import apply_to_images, pixel_rows
from sklearn_mfavb.estimators._reading import ImageReader
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.training import ClusteringNet

_SCORE_NEIGHBORS = 10
_SCORE_SIDE = 16  # pixels
LARGEST_BATCH = 256  # images; the "auto" of training does not go beyond


class ImageLabeler(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, ImageReader
):
    """Methods that need a fitted network."""

    batch_size: int | Literal["auto"]
    net_: ClusteringNet

    def __sklearn_tags__(self) -> Tags:
        """Say that embeddings are float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Label images by their likeliest cluster.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Clusters from 0 to ``n_clusters - 1``; -1 for files that were skipped.
        """
        check_is_fitted(self)
        return self._label(self._read_images(X, reset=False))

    def _label(self, source: ImageSource) -> NDArray[np.int64]:
        """Label checked images; the one path for fit and predict."""
        labels = self._probabilities(source).argmax(axis=1)
        labels[list(source.unreadable)] = -1
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Say how likely each cluster is for each image.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_clusters)
            Rows sum to one; NaN for files that were skipped.
        """
        check_is_fitted(self)
        return self._probabilities(self._read_images(X, reset=False))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images: the output of the backbone, before the heads.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.

        Returns
        -------
        ndarray of float32 of shape (n_samples, embed_dim)
            NaN for files that were skipped.
        """
        check_is_fitted(self)
        network = self.net_.module_.eval()
        return self._apply(network.embed, self._read_images(X, reset=False))

    def score(self, X: Any, y: Any = None) -> float:
        """Score a clustering without labels: how much neighbours tell of each other.

        The part of an image's label that its 10 nearest images in `X` confirm, beyond
        chance (`sklearn_mfavb.metrics.neighbor_agreement`). Neighbours are sought by
        pixels, averaged down to at most 16 a side: that space depends on the images
        alone, so the score compares settings of any kind, numbers of clusters included.
        Where likeness of pixels means little, as in photographs, so does the score.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the class accepts.
        y : Ignored
            Not used. To score against labels use a scorer of `sklearn_mfavb.metrics`
            or of scikit-learn's clustering metrics.

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
        source = self._read_images(X, reset=False)
        labels = self._label(source)
        readable = labels >= 0
        if not readable.any():
            raise ValueError(
                f"None of the {len(labels)} images can be read; the first: "
                f"{source.unreadable[0]}"
            )
        height, width = source.image_size
        size = (
            min(height, _SCORE_SIDE),
            width if height == 1 else min(width, _SCORE_SIDE),
        )
        neighbors = nearest_neighbors(
            pixel_rows(source, size)[readable], _SCORE_NEIGHBORS
        )
        return neighbor_agreement(labels[readable], neighbors)

    def _probabilities(self, source: ImageSource) -> NDArray[np.float32]:
        """Assign checked images by the single-view path."""
        return self._apply(self.net_.module_.eval(), source)

    def _apply(self, function: Any, source: ImageSource) -> NDArray[np.float32]:
        """Apply a part of the network to every clean image."""
        return apply_to_images(
            function,
            source,
            self.image_size_,
            batch_size=LARGEST_BATCH if self.batch_size == "auto" else self.batch_size,
            device=self.net_.device,
        )

    @property
    def _n_features_out(self) -> int:
        """Width of what `transform` returns."""
        return self.net_.module_.backbone.embed_dim
