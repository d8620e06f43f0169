"""Neighbours as positives: other images that an image should agree with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mfavb.estimators._inference import (
    apply_to_images,
    pixel_rows,
    select_rows,
)
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.training import ClusteringNet, autocast
from sklearn_mfavb.views import View


def limit_neighbors(n_neighbors: int, n_samples: int, n_clusters: int) -> int:
    """Keep neighbours within half of a mean cluster, where most share its cluster."""
    return max(1, min(n_neighbors, n_samples // (2 * n_clusters)))


def pixel_neighbors(dataset: ImageDataset, n_neighbors: int) -> NDArray[np.int64]:
    """Find Euclidean neighbours by pixels, averaged down to 16 a side."""
    rows = pixel_rows(dataset.source, dataset.size)
    return nearest_neighbors(select_rows(rows, dataset), n_neighbors)


def feature_neighbors(dataset: ImageDataset, n_neighbors: int) -> NDArray[np.int64]:
    """Find neighbours by the angle between centred features."""
    features = cast(Tensor, dataset.features).numpy()
    return nearest_neighbors(features, n_neighbors, metric="cosine")


@dataclass(frozen=True)
class EmbeddingNeighbors:
    """Find neighbours by the angle between the network's own embeddings."""

    n_neighbors: int
    batch_size: int
    reads_images: bool = True

    def __call__(self, net: ClusteringNet, dataset: ImageDataset) -> NDArray[np.int64]:
        """Embed the clean images with the network as it is, and search."""
        embedding = embed_dataset(
            net.module_.eval().embed,
            dataset,
            batch_size=self.batch_size,
            device=torch.device(net.device),
            autocast_dtype=net.autocast_dtype,
            reads_images=self.reads_images,
        )
        return nearest_neighbors(
            embedding, self.n_neighbors, metric="cosine", device=net.device
        )


def embed_dataset(
    embed: Callable[[View], Tensor],
    dataset: ImageDataset,
    *,
    batch_size: int,
    device: torch.device,
    autocast_dtype: torch.dtype | None,
    reads_images: bool,
) -> NDArray[np.float32]:
    """Embed the clean images of a data set, in its order and training's arithmetic."""
    with autocast(device, autocast_dtype):
        rows = apply_to_images(
            embed,
            dataset.source,
            dataset.size,
            batch_size=batch_size,
            device=device,
            features=_source_features(dataset),
            reads_images=reads_images,
        )
    return select_rows(rows, dataset)


def _source_features(dataset: ImageDataset) -> NDArray[np.float32] | None:
    """Return the features by image of the source; rows of images left out are 0."""
    if dataset.features is None:
        return None
    features = dataset.features.numpy()
    rows = np.zeros((len(dataset.source), features.shape[1]), dtype=np.float32)
    rows[dataset.indices] = features
    return rows
