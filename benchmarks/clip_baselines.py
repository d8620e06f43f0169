"""What people cluster CLIP features with today: the baselines of clip_clustering.

Each takes features of shape (n_samples, n_features) in float32, and `n_clusters` and
`seed` by keyword, and returns labels of shape (n_samples,).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from sklearn.cluster import KMeans, SpectralClustering, kmeans_plusplus
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize
from torch import Tensor
from torch.nn import functional

from sklearn_mfavb.neighbors import nearest_neighbors

__all__ = ["BASELINES"]

N_INIT = 10
N_NEIGHBORS = 20


def centre(features: NDArray) -> NDArray:
    """Return unit rows around the mean, without the direction that all images share."""
    unit = normalize(features)
    return normalize(unit - unit.mean(axis=0))


def k_means(features: NDArray, *, n_clusters: int, seed: int) -> NDArray:
    """Cluster by k-means, the best of ten starts."""
    return KMeans(n_clusters, n_init=N_INIT, random_state=seed).fit_predict(features)


def k_means_centred(features: NDArray, *, n_clusters: int, seed: int) -> NDArray:
    """Cluster centred features by k-means."""
    return k_means(centre(features), n_clusters=n_clusters, seed=seed)


def spherical_k_means(features: NDArray, *, n_clusters: int, seed: int) -> NDArray:
    """Cluster by the cosine to mean directions, the best of ten starts."""
    unit = normalize(features)
    random_state = np.random.RandomState(seed)
    fits = []
    for _ in range(N_INIT):
        start, _ = kmeans_plusplus(unit, n_clusters, random_state=random_state)
        fits.append(_follow_directions(unit, start))
    _, labels = max(fits, key=lambda fit: fit[0])
    return labels


def _follow_directions(
    unit: NDArray, directions: NDArray, *, max_iter: int = 300
) -> tuple[float, NDArray]:
    """Return the summed cosine and the labels where Lloyd's iteration comes to rest."""
    labels = np.full(len(unit), -1)
    for _ in range(max_iter):
        cosines = unit @ directions.T  # (n_samples, n_clusters)
        previous, labels = labels, cosines.argmax(axis=1)
        if np.array_equal(labels, previous):
            break
        members = np.eye(len(directions), dtype=unit.dtype)[labels]
        is_empty = ~members.any(axis=0)[:, None]
        directions = np.where(is_empty, directions, normalize(members.T @ unit))
    return float(cosines.max(axis=1).sum()), labels


def gaussian_mixture(features: NDArray, *, n_clusters: int, seed: int) -> NDArray:
    """Cluster centred features by Gaussians that share one covariance."""
    mixture = GaussianMixture(
        n_clusters,
        covariance_type="tied",
        n_init=3,
        # A thousandth of the mean variance of a coordinate of unit rows.
        reg_covar=1e-3 / features.shape[1],
        random_state=seed,
    )
    return mixture.fit_predict(centre(features))


def spectral_clustering(features: NDArray, *, n_clusters: int, seed: int) -> NDArray:
    """Cut the graph of the nearest neighbours of centred features."""
    neighbors = nearest_neighbors(centre(features), N_NEIGHBORS, metric="cosine")
    n_samples, n_neighbors = neighbors.shape
    rows = np.repeat(np.arange(n_samples), n_neighbors)
    edges = (np.ones(neighbors.size), (rows, neighbors.ravel()))
    graph = coo_matrix(edges, shape=(n_samples, n_samples)).tocsr()
    clustering = SpectralClustering(
        n_clusters, affinity="precomputed", n_init=N_INIT, random_state=seed
    )
    return clustering.fit_predict((graph + graph.T) / 2)


def scan_head(
    features: NDArray,
    *,
    n_clusters: int,
    seed: int,
    n_heads: int = 10,
    n_epochs: int = 100,
    batch_size: int = 1000,
    learning_rate: float = 1e-4,
) -> NDArray:
    """Train linear heads on pairs of neighbours; label by the one of lowest loss.

    One layer holds all heads: their losses are added and Adam goes by coordinates, so
    that each head learns as it would alone.
    """
    torch.manual_seed(seed)
    rows = torch.from_numpy(centre(features))
    neighbors = torch.from_numpy(nearest_neighbors(rows, N_NEIGHBORS, metric="cosine"))
    n_samples, n_neighbors = neighbors.shape
    layer = torch.nn.Linear(rows.shape[1], n_heads * n_clusters)
    optimizer = torch.optim.Adam(layer.parameters(), lr=learning_rate)

    def log_probabilities(batch: Tensor) -> Tensor:
        logits = layer(batch).unflatten(1, (n_heads, n_clusters))
        return functional.log_softmax(logits, dim=2)

    for _ in range(n_epochs):
        drawn = neighbors[
            torch.arange(n_samples), torch.randint(n_neighbors, (n_samples,))
        ]
        epoch_losses = torch.zeros(n_heads)
        for batch in torch.randperm(n_samples).split(batch_size):
            losses = _scan_losses(
                log_probabilities(rows[batch]), log_probabilities(rows[drawn[batch]])
            )
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
            epoch_losses += losses.detach() * len(batch)
    with torch.no_grad():
        labels = log_probabilities(rows)[:, epoch_losses.argmin()].argmax(dim=1)
    return labels.numpy()


def _scan_losses(
    log_first: Tensor, log_second: Tensor, *, entropy_weight: float = 5.0
) -> Tensor:
    """Return -mean log(p_i . p_j) - 5 H(mean p) of each head (SCAN, eq. 2).

    Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels", 2020,
    arXiv:2005.12320. Log-probabilities are of shape (batch_size, n_heads, n_clusters).
    """
    agreement = (log_first + log_second).logsumexp(dim=2).mean(dim=0)
    spread = torch.special.entr(log_first.exp().mean(dim=0)).sum(dim=1)
    return -agreement - entropy_weight * spread


BASELINES: dict[str, Callable[..., NDArray]] = {
    "k-means, raw features": k_means,
    "k-means, centred features": k_means_centred,
    "spherical k-means": spherical_k_means,
    "Gaussian mixture": gaussian_mixture,
    "spectral clustering": spectral_clustering,
    "SCAN-style head": scan_head,
    # At the paper's rate, a few hundred steps on sets of some thousand images leave the
    # loss far from its minimum. Of 0.0001, 0.003, 0.01, 0.03 and 0.1 this rate has the
    # lowest loss or within 0.001 of it on all three sets: no label chose it.
    "SCAN-style head, learning rate 0.03": partial(scan_head, learning_rate=0.03),
}
