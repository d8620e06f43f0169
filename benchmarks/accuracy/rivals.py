"""What people run on features today, each with one setting for all sets.

`RIVALS` maps a name to a function of the number of clusters, the seed, and the widths
of the feature spaces that lie side by side in a row. The settings were fixed before the
first run; they are here, and those of UMAP, Leiden and TURTLE beside their code.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import (
    HDBSCAN,
    AgglomerativeClustering,
    KMeans,
    SpectralClustering,
)
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from benchmarks.accuracy.optional import embed_by_umap, leiden
from benchmarks.accuracy.turtle import turtle

__all__ = ["RIVALS", "Rival"]

Steps = Callable[[int], list[BaseEstimator]]
Rival = Callable[..., BaseEstimator]


class Labels(ClusterMixin, BaseEstimator):
    """An estimator of a function that labels rows."""

    def __init__(self, function: Callable[..., NDArray], settings: dict[str, Any]):
        self.function = function
        self.settings = settings

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Label rows."""
        self.labels_ = self.function(X, **self.settings)
        return self


class DenseRegions(HDBSCAN):
    """HDBSCAN, whose smallest cluster has a hundredth of the rows; noise is -1."""

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Find the dense regions of rows."""
        self.min_cluster_size = max(2, len(X) // 100)
        return super().fit(X)


def rival(final: Callable[[int, int], BaseEstimator], before: Steps) -> Rival:
    """Make the function of a pipeline: what comes before, and what clusters."""
    return lambda n_clusters, seed, widths=(): make_pipeline(
        *before(seed), final(n_clusters, seed)
    )


def as_they_are(seed: int) -> list[BaseEstimator]:
    """Leave rows alone."""
    return []


def centered(seed: int) -> list[BaseEstimator]:
    """Take the direction that all images share off unit rows."""
    return [Normalizer(), StandardScaler(with_std=False), Normalizer()]


def reduced(seed: int, whiten: bool = False) -> list[BaseEstimator]:
    """Keep 64 principal components of centered rows."""
    return [*centered(seed), PCA(64, whiten=whiten, random_state=seed)]


def umap(seed: int) -> list[BaseEstimator]:
    """Embed centered rows by UMAP."""
    embed = FunctionTransformer(embed_by_umap, kw_args={"seed": seed})
    return [*centered(seed), embed]


def t_sne(seed: int) -> list[BaseEstimator]:
    """Embed centered rows in the plane by t-SNE."""
    embed = FunctionTransformer(TSNE(2, random_state=seed).fit_transform)
    return [*centered(seed), embed]


def k_means(n_clusters: int, seed: int) -> KMeans:
    """Take the best of ten starts."""
    return KMeans(n_clusters, n_init=10, random_state=seed)


def mixture(n_clusters: int, seed: int, **changes: Any) -> GaussianMixture:
    """Take the best of three starts."""
    return GaussianMixture(n_clusters, n_init=3, random_state=seed, **changes)


def spectral(n_clusters: int, seed: int) -> SpectralClustering:
    """Cut the graph of each row and its 20 nearest neighbors."""
    return SpectralClustering(
        n_clusters,
        affinity="nearest_neighbors",
        n_neighbors=21,  # a row is among them
        n_init=10,
        random_state=seed,
    )


def linkage(n_clusters: int, seed: int, **changes: Any) -> AgglomerativeClustering:
    """Merge, whatever the seed."""
    return AgglomerativeClustering(n_clusters, **changes)


def dense_regions(n_clusters: int, seed: int) -> DenseRegions:
    """Find clusters where rows are dense, whatever their number and the seed."""
    return DenseRegions(min_samples=10, copy=True)


def labels_by(
    function: Callable[..., NDArray], n_clusters: int | None, seed: int
) -> Labels:
    """Let a function label rows."""
    return Labels(function, {"n_clusters": n_clusters, "seed": seed})


def search(
    n_clusters: int, seed: int, widths: tuple[int, ...] = (), **changes: Any
) -> Labels:
    """Search for labels in every space, its features as they are."""
    settings = {"n_clusters": n_clusters, "seed": seed, "widths": widths, **changes}
    return Labels(turtle, settings)


RIVALS: dict[str, Rival] = {
    "k-means": rival(k_means, as_they_are),
    "k-means, centered": rival(k_means, centered),
    "k-means, whitened": rival(k_means, partial(reduced, whiten=True)),
    # The floor is a thousandth of the mean variance of unit rows, 512 wide.
    "Gaussian mixture": rival(
        partial(mixture, covariance_type="tied", reg_covar=2e-6), centered
    ),
    "Gaussian mixture, 64 components": rival(
        partial(mixture, covariance_type="tied"), reduced
    ),
    "spectral clustering": rival(spectral, centered),
    "average linkage": rival(
        partial(linkage, metric="cosine", linkage="average"), centered
    ),
    "Ward": rival(linkage, centered),
    "t-SNE + k-means": rival(k_means, t_sne),
    "UMAP + k-means": rival(k_means, umap),
    "UMAP + Gaussian mixture": rival(mixture, umap),
    "UMAP + HDBSCAN": rival(dense_regions, umap),
    "Leiden": rival(partial(labels_by, leiden), centered),
    "Leiden, resolution 1": rival(
        lambda n_clusters, seed: labels_by(leiden, None, seed), centered
    ),
    "TURTLE": search,
    "TURTLE, power law": partial(search, prior_exponent=1.0),
}
