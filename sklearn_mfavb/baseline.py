"""KMeansClustering: k-means on the same features or pixels, to compare with."""

from math import prod
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import View, ViewShape

__all__ = ["KMeansClustering"]


class KMeansClustering(BaseImageClusterer):
    """Cluster images by k-means, the baseline of all other estimators.

    No network is trained: the embedding of an image is what the other estimators are
    given. With an encoder these are its features, brought to unit length, centered and
    brought to unit length again; without one, the pixels of a small copy of the image.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. ``"auto"``: the number that `NClustersSelector` finds in the
        features of the encoder, or in the pixels without one, where it is seldom right.
    encoder : None, str, transformer or list of those, default=None
        Pretrained encoders of images, as for `MFAVBClustering`.
    image_size : int, tuple of int or "auto", default=16
        Side, or (height, width), in pixels of the copies of images; without an encoder
        only.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    batch_size : int or "auto", default="auto"
        Largest number of images that are read at once.
    reading : Reading, default=None
        How images are read, broken files among them. None: ``Reading()``.
    training : Training, default=None
        There is none. Only its `precision` counts, for the features.
    device : str or torch.device, default="auto"
        Where the encoder runs. ``"auto"``: a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts of k-means, the best of ten.
    verbose : int, default=0
        0 is silent, 1 and 2 show progress bars.

    Attributes
    ----------
    labels_ : ndarray of int64 of shape (n_samples,)
        Cluster of every image passed to `fit`; -1 for outliers and skipped files.
    n_clusters_ : int
        Number of clusters.
    n_clusters_scores_ : dict of int to list of float, or None
        Scores of all numbers tried, see `NClustersSelector`; None if it was given.
    model_ : ClusteringModel
        The encoders and the centers.
    history_ : list
        Empty: there are no epochs.

    See Also
    --------
    sklearn.cluster.KMeans : The algorithm, on rows of numbers.
    MFAVBClustering : What is to be better than this.

    Notes
    -----
    Probabilities fall with the distance to a center by Student's t, as with
    ``assignment="kmeans"`` of the other estimators. They order the images of a cluster,
    and should not be compared with those of a mixture.

    References
    ----------
    .. [1] S. Lloyd, "Least squares quantization in PCM", 1982,
       doi:10.1109/TIT.1982.1056489.

    Examples
    --------
    >>> from sklearn_mfavb import KMeansClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = KMeansClustering(3, image_size=8, random_state=0).fit(images)
    >>> clusterer.transform(images).shape
    (60, 64)
    """

    use_pixels: Literal["auto"] = "auto"
    assignment: Literal["kmeans"] = "kmeans"

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 8,
        *,
        encoder: Any = None,
        image_size: int | tuple[int, int] | Literal["auto"] = 16,
        outliers: float | Literal["auto"] = 0.0,
        batch_size: int | Literal["auto"] = "auto",
        reading: Reading | None = None,
        training: Training | None = None,
        device: str | torch.device = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.image_size = image_size
        self.outliers = outliers
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build what turns a view into a row, without heads."""
        no_head: Any = nn.Identity()
        return ClusteringNetwork(_Rows(shape), no_head, no_head, shape.n_channels)

    def _plan(self, setup: Any) -> list[Stage]:
        """Train nothing."""
        return []


class _Rows(Backbone):
    """Return the features of a view, or its pixels if there are none."""

    def __init__(self, shape: ViewShape) -> None:
        super().__init__()
        pixels = (shape.n_channels, *(shape.image_size or ()))
        self.embed_dim = sum(shape.feature_dims) or prod(pixels)

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        if view.features is not None:
            return view.features
        return cast(Tensor, view.images).flatten(1)
