"""A trained network with everything that labels new images."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_mfavb.features import (
    FeatureTable,
    FrozenEncoder,
    apply_encoders,
    embed_words,
)
from sklearn_mfavb.images import ImageDataset, ImageFormat, ImageSource
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.outliers import OutlierScorer
from sklearn_mfavb.training import (
    Embedder,
    Runtime,
    apply_to_views,
    embed_images,
    split_evenly,
)
from sklearn_mfavb.views import ViewShape
from sklearn_mfavb.words import propose_names

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


class Found(NamedTuple):
    """What a model finds in images, one row each; -1 and NaN for skipped files."""

    labels: Labels
    probabilities: Rows
    embedding: Rows


@dataclass
class ClusteringModel:
    """A trained network, its encoders, and what assigns embeddings to clusters.

    Attributes
    ----------
    encoders : list of FrozenEncoder
        Encoders of images, with the statistics of their features.
    image_format : ImageFormat or None
        How the training images were read; None for features alone.
    image_size : tuple of int or None
        Height and width in pixels that the network sees; None without pixels.
    network : ClusteringNetwork
        From views to embeddings.
    assigner : torch.nn.Module
        From embeddings to probabilities of the clusters, in float32.
    outliers : OutlierScorer
        Scores features as the encoders give them, or embeddings without encoders.
    """

    encoders: list[FrozenEncoder]
    image_format: ImageFormat | None
    image_size: tuple[int, int] | None
    network: ClusteringNetwork
    assigner: nn.Module
    outliers: OutlierScorer

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.pixel_mean.device

    @property
    def view_shape(self) -> ViewShape:
        """What one view of an image consists of."""
        return view_shape(self.encoders, self.image_format, self.image_size)

    def encode(self, X: Any, source: ImageSource | None, features: Any) -> ImageDataset:
        """Make a data set of new images, encoded as the training images were.

        Parameters
        ----------
        X : object
            Images as the user passed them.
        source : ImageSource or None
            The same images, opened; None for features alone.
        features : object
            Features of the user, if they are precomputed.

        Returns
        -------
        ImageDataset
        """
        if source is None and self.image_size is not None:
            raise ValueError(
                "This estimator was fitted on images and features: pass the images too."
            )
        if source is not None and self.image_size is not None and self.encoders:
            source.keep(self.image_size)  # decoded once, seen twice
        rows = apply_encoders(self.encoders, X, source, features)
        return ImageDataset(source, self.image_size, None, rows)

    def embed(self, dataset: ImageDataset, runtime: Runtime) -> Rows:
        """Embed every image of a data set, (n_samples, embed_dim)."""
        return embed_images(self.network, dataset, runtime)

    def probabilities(self, dataset: ImageDataset, runtime: Runtime) -> Rows:
        """Assign every image of a data set, (n_samples, n_clusters)."""
        chain = nn.Sequential(Embedder(self.network, runtime), self.assigner)
        return apply_to_views(chain, dataset, runtime)

    def assign(self, embedding: Rows, runtime: Runtime) -> Rows:
        """Assign embeddings, (n_samples, n_clusters)."""
        assigned: Any = None
        with torch.no_grad():
            for positions in split_evenly(len(embedding), runtime.batch_size):
                rows = torch.from_numpy(embedding[positions]).to(self.device)
                block = self.assigner(rows).float().cpu().numpy()
                if assigned is None:
                    assigned = np.empty((len(embedding), block.shape[1]), block.dtype)
                assigned[positions] = block
        return assigned

    def label(self, dataset: ImageDataset, runtime: Runtime) -> Labels:
        """Return the likeliest cluster of every image; -1 for outliers and skipped."""
        if self.outliers.threshold == -np.inf:
            # Not by `probabilities`, which take 0.4 kB for each image of 100 clusters.
            embed = Embedder(self.network, runtime)
            chain = nn.Sequential(embed, self.assigner, _Likeliest())
            return _as_labels(dataset, apply_to_views(chain, dataset, runtime))
        return self.find(dataset, runtime).labels  # one pass serves scores too

    def find(
        self, dataset: ImageDataset, runtime: Runtime, embedding: Rows | None = None
    ) -> Found:
        """Label, assign and embed every image, whose `embedding` spares a pass."""
        if embedding is None:
            embedding = self.embed(dataset, runtime)
        probabilities = self.assign(embedding, runtime)
        is_outlier, threshold = None, float(self.outliers.threshold)
        if threshold > -np.inf:
            is_outlier = self.score_samples(dataset, runtime, embedding) < threshold
        labels = probabilities.argmax(axis=1)
        if is_outlier is not None:
            labels[is_outlier] = -1
        return Found(
            _as_labels(dataset, labels),
            dataset.expand(probabilities),
            dataset.expand(embedding),
        )

    def score_samples(
        self, dataset: ImageDataset, runtime: Runtime, embedding: Rows | None = None
    ) -> Rows:
        """Score how normal every image of a data set is, (n_samples,).

        The `embedding` of its images spares another pass where there are no features.
        """
        if embedding is None and dataset.features is None:
            embedding = self.embed(dataset, runtime)
        return self.outliers.score_rows(rows_to_score(dataset, embedding))

    def mean_features(
        self, dataset: ImageDataset, labels: Labels, n_clusters: int
    ) -> Rows:
        """Average unit features by cluster, (n_clusters, n_features); NaN without."""
        n_features = sum(each.feature_dim for each in self.encoders)
        means = np.full((n_clusters, n_features), np.nan, dtype=np.float32)
        if dataset.features is not None:
            rows, own = rows_to_score(dataset, None), labels[dataset.indices]
            for cluster in np.unique(own[own >= 0]):
                members = np.asarray(rows[np.flatnonzero(own == cluster)])
                means[cluster] = members.mean(axis=0)
        return means

    def name_clusters(
        self, cluster_features: Rows, words: list[str], verbose: int = 0
    ) -> list[str] | None:
        """Name clusters by the first encoder that embeds words; None without any."""
        start = 0
        for encoder in self.encoders:
            end = start + encoder.feature_dim
            of_words = embed_words(encoder.transformer, words, verbose=verbose)
            if of_words is not None:
                return propose_names(cluster_features[:, start:end], of_words, words)
            start = end
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle networks on the CPU, so that a machine without a GPU can load them."""
        names = ("network", "assigner", "outliers")
        networks = {name: getattr(self, name) for name in names}
        on_cpu = {name: deepcopy(part).cpu() for name, part in networks.items()}
        return {**vars(self), **on_cpu}


class _Likeliest(nn.Module):
    """Return the likeliest cluster of every row of probabilities."""

    def forward(self, probabilities: torch.Tensor) -> torch.Tensor:
        return probabilities.float().argmax(dim=1)


def _as_labels(dataset: ImageDataset, clusters: NDArray[Any]) -> Labels:
    """Return the cluster of every image; -1 for skipped files."""
    rows = dataset.expand(clusters.astype(np.float32))  # so that NaN has room
    return np.nan_to_num(rows, nan=-1).astype(np.int64)


def rows_to_score(dataset: ImageDataset, embedding: Rows | None) -> FeatureTable | Rows:
    """Return features as the encoders give them: centered ones hide outliers.

    The embedding is returned if there are no features.
    """
    if dataset.features is None:
        return cast(Rows, embedding)
    return cast(FeatureTable, dataset.features).read_as(FrozenEncoder.unit)


def view_shape(
    encoders: list[FrozenEncoder],
    image_format: ImageFormat | None,
    image_size: tuple[int, int] | None,
) -> ViewShape:
    """Return what one view of an image consists of."""
    looks = image_size is not None and image_format is not None
    n_channels = image_format.n_channels if image_format and looks else 0
    return ViewShape(image_size, n_channels, tuple(e.feature_dim for e in encoders))
