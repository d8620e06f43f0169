"""VTCCClustering: contrastive clustering with a vision transformer."""

from functools import partial
from typing import Any, ClassVar, Literal

import torch

from sklearn_mfavb.backbones import ViT, build_backbone, build_plain_vit, sizes_of
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import ASSIGNMENT_OR_AUTO, COUNT_OR_AUTO
from sklearn_mfavb.estimators._setup import FitSetup, contrastive_stage
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import ContrastiveTerms
from sklearn_mfavb.pairs import WithinPair
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape


class VTCCClustering(BaseImageClusterer):
    """Cluster images with a vision transformer and contrastive learning (VTCC).

    Contrastive Clustering [2]_ with a small vision transformer that has a convolutional
    stem in place of the ResNet, and three-layer heads [1]_. This is a reimplementation
    from the description of the method.

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
    balance : float or "auto", default="auto"
        Weight of the term that keeps clusters equally large while the network learns,
        and (up to 1) extent to which a mixture has clusters of equal size. ``"auto"``:
        weight 1, and of several mixtures, with and without equal sizes, the one that
        fits best (`sklearn_mfavb.assignment.fit_sizes`).
    assignment : {"auto", "mixture", "kmeans", "head"} or estimator, default="auto"
        What labels embeddings: ``"head"``, the cluster head of lowest loss, as in the
        paper; ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`;
        ``"kmeans"``; or any clusterer or mixture of scikit-learn with `predict`.
        ``"auto"``: the mixture with an encoder, else the head.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    depth : int or "auto", default="auto"
        Layers of the transformer. ``"auto"``: 4 for images up to 64 pixels and without
        pixels, else 8.
    backbone : str, callable or ViT, default="auto"
        Network from views to embeddings. ``"auto"``: the method's own, in a size that
        suits the images; a `ViT` sets its sizes. Another string names a network of
        timm, such as ``"resnet18"``. A callable is called with the keywords
        ``image_size`` (height and width; None without pixels), ``n_channels`` and
        ``feature_dims`` (one for each encoder), and returns a
        `sklearn_mfavb.backbones.Backbone`.
    objective : ContrastiveTerms, default=None
        Weights of the loss, and number of cluster heads. None: ``ContrastiveTerms()``.
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
    MFAVBClustering : Fuses the two views in several blocks.
    ContrastiveClustering : The same losses on a ResNet.

    Notes
    -----
    ``VTCCClustering(n_clusters).set_params(**VTCCClustering.REFERENCE)`` is the setting
    of the released code: 224 pixels (21,347,130 parameters for 10 clusters), 1000
    epochs of Adam at a constant rate, blur in every view and solarizing in the second.
    Departures: pixels are standardized by the training images and not by ImageNet, both
    views pass in one batch, and batches are of nearly equal size where the code drops
    the last one.

    References
    ----------
    .. [1] Ling et al., "Vision Transformer for Contrastive Clustering", 2022,
       arXiv:2206.12925.
    .. [2] Li et al., "Contrastive Clustering", AAAI 2021, arXiv:2009.09687.

    Examples
    --------
    >>> from sklearn_mfavb import VTCCClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = VTCCClustering(3, max_epochs=2, random_state=0).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "image_size": 224,
        "augmentation": "vtcc",
        "batch_size": 128,
        "max_epochs": 1000,
        "training__learning_rate": 3e-4,
        "training__schedule": "constant",
        "training__warmup_epochs": 0,
        "training__weight_decay": 0.0,
        "random_state": 42,
        "positives": "augmentation",
        "assignment": "head",
    }

    _groups: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._groups,
        "objective": ContrastiveTerms,
    }

    _short_forms: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._short_forms,
        "backbone": sizes_of,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "depth": COUNT_OR_AUTO,
        "assignment": ASSIGNMENT_OR_AUTO,
        "objective": [ContrastiveTerms, None],
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
        balance: float | Literal["auto"] = "auto",
        assignment: Any = "auto",
        outliers: float | Literal["auto"] = 0.0,
        depth: int | Literal["auto"] = "auto",
        backbone: Any = "auto",
        objective: ContrastiveTerms | None = None,
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
        self.balance = balance
        self.assignment = assignment
        self.outliers = outliers
        self.depth = depth
        self.backbone = backbone
        self.objective = objective
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build one transformer, which sees every view alone, and three-layer heads."""
        sizes = self.backbone if isinstance(self.backbone, ViT) else None
        vit = partial(build_plain_vit, shape, sizes, self.depth)
        backbone = build_backbone(self.backbone, shape, vit)
        n_heads = self._group("objective").n_cluster_heads
        return ClusteringNetwork(
            backbone,
            InstanceHead(backbone.embed_dim),
            ClusterHeads(backbone.embed_dim, self.n_clusters_, n_heads),
            n_channels=shape.n_channels,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Contrast images and clusters between the two views of every image."""
        stage = contrastive_stage(
            setup,
            WithinPair,
            self._group("objective"),
            augmentation=self.augmentation,
            positives=self.positives,
            balance=self.balance,
            max_epochs=self.max_epochs,
        )
        return [stage]
