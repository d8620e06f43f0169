"""What people run on features today, each with one setting for all sets.

`RIVALS` maps a name to a function of the number of clusters, the seed, and the widths
of the feature spaces that lie side by side in a row. The settings were fixed before the
first run; they are here, and those of UMAP, Leiden, TURTLE and TEMI beside their code.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
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
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from benchmarks.accuracy.optional import Leiden, embed_by_umap
from benchmarks.accuracy.temi import TEMI
from benchmarks.accuracy.turtle import TURTLE

__all__ = ["RIVALS", "DenseRegions", "Rival"]

Steps = Callable[[int], list[BaseEstimator]]
Rival = Callable[..., BaseEstimator]

N_INIT = 10
N_COMPONENTS = 64


class DenseRegions(ClusterMixin, BaseEstimator):
    """HDBSCAN, whose smallest cluster is a share of the rows; noise has label -1.

    Parameters
    ----------
    min_share : float, default=0.01
        Rows of the smallest cluster, as a part of all.
    min_samples : int, default=10
        Neighbors that tell how dense a place is; all rows if there are fewer.

    Attributes
    ----------
    labels_ : ndarray of int of shape (n_samples,)
        Clusters, -1 for noise.
    probabilities_ : ndarray of float of shape (n_samples,)
        How firmly a row is in its cluster, from 0 for noise to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.rivals import DenseRegions
    >>> rows = np.r_[np.arange(20), np.arange(100, 120), 500][:, np.newaxis]
    >>> np.bincount(DenseRegions(min_share=0.2).fit_predict(rows) + 1).tolist()
    [1, 20, 20]
    """

    labels_: NDArray[np.int64]
    probabilities_: NDArray[np.float64]

    _parameter_constraints: ClassVar[dict] = {
        "min_share": [Interval(Real, 0, 1, closed="both")],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, min_share: float = 0.01, min_samples: int = 10) -> None:
        self.min_share = min_share
        self.min_samples = min_samples

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the dense regions of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that are compared by their Euclidean distance; at least two.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        X = validate_data(self, X, ensure_min_samples=2)
        found = HDBSCAN(
            min_cluster_size=max(2, round(self.min_share * len(X))),
            min_samples=min(self.min_samples, len(X)),
            copy=True,
        ).fit(X)
        self.labels_, self.probabilities_ = found.labels_, found.probabilities_
        return self


def rival(final: Callable[[int, int], BaseEstimator], before: Steps) -> Rival:
    """Make the function of a pipeline."""
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
    """Keep the leading principal components of centered rows."""
    return [*centered(seed), PCA(N_COMPONENTS, whiten=whiten, random_state=seed)]


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
    return KMeans(n_clusters, n_init=N_INIT, random_state=seed)


def tied_mixture(
    n_clusters: int, seed: int, reg_covar: float = 1e-6
) -> GaussianMixture:
    """Let Gaussians share one covariance."""
    return GaussianMixture(
        n_clusters,
        covariance_type="tied",
        n_init=3,
        reg_covar=reg_covar,
        random_state=seed,
    )


def mixture(n_clusters: int, seed: int) -> GaussianMixture:
    """Give every Gaussian a covariance of its own."""
    return GaussianMixture(n_clusters, n_init=3, random_state=seed)


def spectral(n_clusters: int, seed: int) -> SpectralClustering:
    """Cut the graph of each row and its 20 nearest neighbors."""
    return SpectralClustering(
        n_clusters,
        affinity="nearest_neighbors",
        n_neighbors=21,  # a row is among them
        n_init=N_INIT,
        random_state=seed,
    )


def average_linkage(n_clusters: int, seed: int) -> AgglomerativeClustering:
    """Merge by the mean cosine distance, whatever the seed."""
    return AgglomerativeClustering(n_clusters, metric="cosine", linkage="average")


def turtle(
    n_clusters: int, seed: int, widths: tuple[int, ...] = (), **changes: Any
) -> BaseEstimator:
    """Search in every space, whose rows are of unit length."""
    search = TURTLE(n_clusters, widths=widths or None, random_state=seed, **changes)
    return make_pipeline(Normalizer(), search)


RIVALS: dict[str, Rival] = {
    "k-means": rival(k_means, as_they_are),
    "k-means, centered": rival(k_means, centered),
    "k-means, whitened": rival(k_means, partial(reduced, whiten=True)),
    # The floor is a thousandth of the mean variance of unit rows, 512 wide.
    "Gaussian mixture": rival(partial(tied_mixture, reg_covar=2e-6), centered),
    "Gaussian mixture, 64 components": rival(tied_mixture, reduced),
    "spectral clustering": rival(spectral, centered),
    "average linkage": rival(average_linkage, centered),
    "Ward": rival(lambda n_clusters, _: AgglomerativeClustering(n_clusters), centered),
    "t-SNE + k-means": rival(k_means, t_sne),
    "UMAP + k-means": rival(k_means, umap),
    "UMAP + Gaussian mixture": rival(mixture, umap),
    "UMAP + HDBSCAN": rival(lambda *_: DenseRegions(), umap),
    "Leiden": rival(lambda n, seed: Leiden(n, random_state=seed), centered),
    "Leiden, resolution 1": rival(lambda _, s: Leiden(random_state=s), centered),
    "TURTLE": turtle,
    "TURTLE, power law": partial(turtle, prior_exponent=1.0),
    "TEMI": rival(lambda n, seed: TEMI(n, random_state=seed), centered),
}
