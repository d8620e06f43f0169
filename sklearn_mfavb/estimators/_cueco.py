"""CueCoClustering: momentum contrast with compact clusters."""

from dataclasses import asdict
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import Interval

from sklearn_mfavb.backbones import TimmBackbone, build_backbone
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import (
    ASSIGNMENT_WITHOUT_HEAD,
    COUNT,
    COUNT_OR_AUTO,
    TEMPERATURE,
    WEIGHT,
)
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.heads import CenterHead, ClusterHeads, two_layer_instance_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork, MomentumNetwork
from sklearn_mfavb.objectives import CueCoObjective
from sklearn_mfavb.pairs import WithinPair
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import FollowQuery, Stage, Training, count_batches
from sklearn_mfavb.views import ViewShape

_PROJECTION_DIM = 128
_PASSES_KEPT = 4  # the queue holds at most a quarter of the images
_WARMUP_SHARE = 0.1  # of all steps, before centroids attract


class CueCoClustering(BaseImageClusterer):
    """Cluster images by momentum contrast with compact clusters (after CueCo).

    A query network learns to tell its own key, which a slowly following copy of the
    network makes of another view, from a queue of past keys; and it is drawn to the
    centroid nearest to that key, of k-means on the queue.

    This is a reconstruction from the abstract of [1]_, whose section on the method is
    not available to us: call results "CueCo-style". Constants are those of momentum
    contrast [2]_. The paper is judged by a linear layer with labels, not by clusters.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. ``"auto"``: the number that `NClustersSelector` finds in the
        features of the encoder, or in the pixels without one, where it is seldom right.
    encoder : None, str, transformer or list of those, default=None
        Pretrained encoders, whose features join every view: a model of open_clip or
        timm by name, such as ``"ViT-B-32"``, or a transformer from images to rows, such
        as `CLIPFeatures`. Of several, the one whose clusters agree best with neighbors
        in the others has weight 1, the others 0.5. ``"precomputed"``: features are
        passed, as X or as `features`. None: pixels only.
    use_pixels : bool or "auto", default="auto"
        Whether the network looks at pixels. With an encoder it is much faster without,
        and as good on photographs. ``"auto"``: only without an encoder.
    image_size : int, tuple of int or "auto", default="auto"
        Side, or (height, width), in pixels at which the network sees images.
        ``"auto"``: their own (median) size, at most 64; the literature takes 224.
    augmentation : str, callable, tuple of two callables or Augmentation, default="auto"
        How views are drawn: ``"photographs"``, ``"aerial"``, ``"characters"``,
        ``"none"``, ``"cc"`` or ``"vtcc"`` (as in these papers), or a function of float
        images in [0, 1], (batch_size, n_channels, height, width), or one for each view.
        `Augmentation` also perturbs features. ``"auto"``: ``"characters"`` for gray
        images, else ``"photographs"``.
    positives : {"auto", "augmentation", "neighbors"} or Neighbors, default="auto"
        What an image should agree with: an augmentation of itself, or of one of its
        nearest neighbors; a `Neighbors` says how these are found. ``"auto"``: neighbors
        with an encoder and for gray images, else augmentations.
    assignment : {"mixture", "kmeans"} or estimator, default="mixture"
        What labels embeddings: ``"mixture"``, a
        `sklearn_mfavb.assignment.MixtureAssigner`; ``"kmeans"``; or any clusterer or
        mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    queue_size : int, default=4096
        Number of past keys; at most a quarter of the images, so that few images meet
        their own last key among those that they are told from.
    momentum : float, default=0.99
        Part of the key network that stays in every step.
    temperature : float, default=0.2
        Temperature of the contrast.
    compactness_weight : float, default=1.0
        Weight of the attraction to centroids, once fully on.
    n_centroids : int or "auto", default="auto"
        Clusters of the queue, at most half as many as it holds keys. ``"auto"``: twice
        `n_clusters`.
    centroid_refresh : int, default=20
        Steps between two rounds of k-means on the queue.
    backbone : str or callable, default="auto"
        Network from views to embeddings. ``"auto"``: the method's own. Another string
        names one of timm, such as ``"resnet18"``. A callable takes the keywords
        ``image_size`` (None without pixels), ``n_channels`` and ``feature_dims`` (one
        for each encoder), and returns a `sklearn_mfavb.backbones.Backbone`.
    max_epochs : int or "auto", default="auto"
        Passes over the images. ``"auto"``: 40; with an encoder as many as make 900
        steps (400 if the network looks at pixels too), but at least 10.
    batch_size : int or "auto", default="auto"
        Largest number of images in a step. ``"auto"``: an eighth of the images, but at
        least 8 per cluster and at most 256.
    reading : Reading, default=None
        How images are read, broken files among them. None: ``Reading()``.
    training : Training, default=None
        Learning rate, precision, checkpoint and the like. None: ``Training()``.
    device : str or torch.device, default="auto"
        Where to train and predict. ``"auto"``: a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`; on the same kind of device and with the same
        versions it gives the same labels. Global random states are left alone.
    verbose : int, default=0
        0 is silent, 1 shows progress bars, 2 prints all losses of every epoch.

    Attributes
    ----------
    labels_ : ndarray of int64 of shape (n_samples,)
        Cluster of every image passed to `fit`; -1 for outliers and skipped files.
    embedding_ : ndarray of float32 of shape (n_samples, embed_dim)
        Embeddings of the images passed to `fit`; NaN for files that were skipped.
    probabilities_ : ndarray of float32 of shape (n_samples, n_clusters)
        Probabilities of the clusters for these images; NaN for skipped files.
    n_clusters_ : int
        Number of clusters.
    model_ : ClusteringModel
        The trained network, its encoders, and what assigns embeddings to clusters.
    history_ : list of dict
        One dict per epoch: ``epoch``, ``stage`` (of methods with several), ``seconds``,
        ``loss`` and the weighted terms that add up to it (``instance_loss`` and so on).
    features_, image_size_, max_epochs_, n_iter_, paths_, skipped_ : object
        See `MFAVBClustering`.
    cluster_names_, cluster_features_, n_clusters_scores_ : object
        See `MFAVBClustering`.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number and names of the columns, if X is a table.

    See Also
    --------
    AnchorClustering : Learnable centers in place of k-means.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. As in momentum contrast the key network normalizes by
    the batch, as the query network does; the query network is used for prediction.

    References
    ----------
    .. [1] "CueCo: Cluster Contrast for Unsupervised Visual Representation Learning",
       ICIP 2025, arXiv:2507.12359.
    .. [2] He et al., "Momentum Contrast for Unsupervised Visual Representation
       Learning", CVPR 2020, arXiv:1911.05722.

    Examples
    --------
    >>> from sklearn_mfavb import CueCoClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = CueCoClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "queue_size": COUNT,
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "temperature": TEMPERATURE,
        "compactness_weight": WEIGHT,
        "n_centroids": COUNT_OR_AUTO,
        "centroid_refresh": COUNT,
        "assignment": ASSIGNMENT_WITHOUT_HEAD,
    }

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 8,
        *,
        encoder: Any = None,
        use_pixels: bool | Literal["auto"] = "auto",
        image_size: int | tuple[int, int] | Literal["auto"] = "auto",
        augmentation: Any = "auto",
        positives: str | Neighbors = "auto",
        assignment: Any = "mixture",
        outliers: float | Literal["auto"] = 0.0,
        queue_size: int = 4096,
        momentum: float = 0.99,
        temperature: float = 0.2,
        compactness_weight: float = 1.0,
        n_centroids: int | Literal["auto"] = "auto",
        centroid_refresh: int = 20,
        backbone: Any = "auto",
        max_epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        reading: Reading | None = None,
        training: Training | None = None,
        device: str | torch.device = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.use_pixels = use_pixels
        self.image_size = image_size
        self.augmentation = augmentation
        self.positives = positives
        self.assignment = assignment
        self.outliers = outliers
        self.queue_size = queue_size
        self.momentum = momentum
        self.temperature = temperature
        self.compactness_weight = compactness_weight
        self.n_centroids = n_centroids
        self.centroid_refresh = centroid_refresh
        self.backbone = backbone
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build a ResNet-18 with a projection of two layers, and its copy."""
        default = partial(TimmBackbone, "resnet18", **asdict(shape))
        backbone = build_backbone(self.backbone, shape, default)
        centers = ClusterHeads(backbone.embed_dim, self.n_clusters_, 1, CenterHead)
        return MomentumNetwork(
            backbone,
            two_layer_instance_head(backbone.embed_dim, _PROJECTION_DIM),
            centers.requires_grad_(False),  # the method has no head that learns
            n_channels=shape.n_channels,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Scatter and align, in one stage."""
        n_epochs, n_samples = setup.epochs(self.max_epochs), len(setup.dataset)
        n_steps = n_epochs * count_batches(n_samples, setup.runtime.batch_size)
        queue_size = min(self.queue_size, max(1, n_samples // _PASSES_KEPT))
        n_centroids = self.n_centroids
        if n_centroids == "auto":
            n_centroids = 2 * self.n_clusters_
        objective = CueCoObjective(
            n_centroids=max(1, min(n_centroids, queue_size // 2)),
            queue_size=queue_size,
            projection_dim=_PROJECTION_DIM,
            temperature=self.temperature,
            compactness_weight=self.compactness_weight,
            n_warmup_steps=round(_WARMUP_SHARE * n_steps),
            refresh=self.centroid_refresh,
        )
        search = setup.search(self.positives)
        follow = ("follow", FollowQuery(self.momentum))
        pairs = WithinPair(*setup.augmentations(self.augmentation))
        stage = Stage(
            objective,
            pairs,
            n_epochs,
            prepare=search.prepare,
            callbacks=(*search.callbacks(), follow),
        )
        return [stage]
