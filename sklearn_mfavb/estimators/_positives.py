"""Neighbours as positives: other images that an image should agree with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.estimators._inference import apply_to_images, pixel_rows
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.training import ClusteringNet


def limit_neighbors(n_neighbors: int, n_samples: int, n_clusters: int) -> int:
    """Keep neighbours within half of a mean cluster, where most share its cluster."""
    return max(1, min(n_neighbors, n_samples // (2 * n_clusters)))


def pixel_neighbors(dataset: ImageDataset, n_neighbors: int) -> NDArray[np.int64]:
    """Find Euclidean neighbours by pixels, averaged down to 16 a side."""
    rows = pixel_rows(dataset.source, dataset.size)
    return nearest_neighbors(rows[dataset.indices], n_neighbors)


@dataclass(frozen=True)
class EmbeddingNeighbors:
    """Find neighbours by the angle between the network's own embeddings."""

    n_neighbors: int
    batch_size: int

    def __call__(self, net: ClusteringNet, dataset: ImageDataset) -> NDArray[np.int64]:
        """Embed the clean images with the network as it is, and search."""
        network = net.module_.eval()
        embeddings = apply_to_images(
            network.embed,
            dataset.source,
            dataset.size,
            batch_size=self.batch_size,
            device=net.device,
        )[dataset.indices]
        return nearest_neighbors(
            embeddings, self.n_neighbors, metric="cosine", device=net.device
        )
