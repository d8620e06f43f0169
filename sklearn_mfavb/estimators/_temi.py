"""TEMIClustering: linear heads on features, taught by their own moving average."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from sklearn.preprocessing import normalize
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from sklearn_mfavb.backbones import FeatureBackbone, build_backbone
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._setup import FitSetup, start_at_kmeans
from sklearn_mfavb.heads import ClusterHeads, InstanceHead, sharp_cluster_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.losses import PointwiseInformationLoss
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import TEMIObjective
from sklearn_mfavb.pairs import SeparateViews
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import FollowStudents, Stage, Training
from sklearn_mfavb.views import ViewShape

_N_NEIGHBORS = 50
_MOMENTUM = 0.996


class TEMIClustering(BaseImageClusterer):
    """Cluster features by the clusters that neighbors share (TEMI).

    Linear heads on the features of a pretrained encoder learn that an image and one of
    its neighbors share a cluster, the more so the rarer the cluster; a moving average
    of each head is its teacher, and labels [1]_. This is a reimplementation from the
    description of the method.

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
    positives : {"neighbors"} or Neighbors, default="neighbors"
        Neighbors that should share a cluster. ``"neighbors"``: the 50 nearest by the
        angle between features, or by pixels.
    assignment : {"mixture", "kmeans", "head"} or estimator, default="head"
        What labels embeddings: ``"head"``, the cluster head of lowest loss, as in the
        paper; ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`;
        ``"kmeans"``; or any clusterer or mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    beta : float, default=0.6
        Exponent of the probability that two images share a cluster. Up to 1; values
        close to 0.5 keep clusters equally large, higher ones let them differ.
    backbone : str or callable, default="auto"
        Network from views to embeddings. ``"auto"``: none; heads stand on the features,
        beside pixels, averaged down to 16 a side, if there are any. A string names a
        network of timm, such as ``"resnet18"``. A callable is called with the keywords
        ``image_size`` (height and width; None without pixels), ``n_channels`` and
        ``feature_dims`` (one for each encoder), and returns a
        `sklearn_mfavb.backbones.Backbone`.
    n_cluster_heads : int, default=16
        Number of cluster heads, of which the one of lowest loss is kept.
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
    SCANClustering : Neighbors share a cluster too, without a teacher.
    MFAVBClustering : Contrast on a small network, on features or images.

    Notes
    -----
    The paper learns on features alone. Departures: heads are one linear layer, 16 in
    place of 50, and start at k-means, as they have few steps; the learning rate is ten
    times that of the paper, which is for sets of 50,000 images and more; neighbors are
    at most half of a mean cluster; and the head that labels has the lowest loss on all
    images, without weights. ``REFERENCE`` has the numbers of the paper.

    References
    ----------
    .. [1] Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
       Pretrained Models", BMVC 2023, arXiv:2303.17896.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb import TEMIClustering
    >>> rng = np.random.default_rng(0)
    >>> features = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.normal(size=(60, 3))
    >>> clusterer = TEMIClustering(
    ...     3, encoder="precomputed", max_epochs=10, random_state=0
    ... )
    >>> labels = clusterer.fit_predict(features)
    >>> len(np.unique(labels[:20])), len(np.unique(labels))
    (1, 3)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "max_epochs": 200,
        "batch_size": 512,
        "n_cluster_heads": 50,
        "training__learning_rate": 1e-4,
        "training__schedule": "constant",
        "training__warmup_epochs": 0,
        "training__weight_decay": 1e-4,
    }

    _short_forms: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._short_forms,
        "positives": lambda _: Neighbors(_N_NEIGHBORS),
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "positives": [StrOptions({"neighbors"}), Neighbors],
        "beta": [Interval(Real, 0.5, 1, closed="right")],
        "n_cluster_heads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 8,
        *,
        encoder: Any = None,
        use_pixels: bool | Literal["auto"] = "auto",
        image_size: int | tuple[int, int] | Literal["auto"] = "auto",
        augmentation: Any = "auto",
        positives: str | Neighbors = "neighbors",
        assignment: Any = "head",
        outliers: float | Literal["auto"] = 0.0,
        beta: float = 0.6,
        backbone: Any = "auto",
        n_cluster_heads: int = 16,
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
        self.beta = beta
        self.backbone = backbone
        self.n_cluster_heads = n_cluster_heads
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build linear heads on what there is, which learn from their students."""
        own = partial(
            FeatureBackbone, shape.feature_dims, shape.image_size, shape.n_channels
        )
        backbone = build_backbone(self.backbone, shape, own)
        width = backbone.embed_dim
        heads = ClusterHeads(
            width, self.n_clusters_, self.n_cluster_heads, sharp_cluster_head
        )
        return ClusteringNetwork(
            backbone,
            InstanceHead(width, layers=nn.Identity()),  # projections are not used
            heads.requires_grad_(False),
            n_channels=shape.n_channels,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Let neighbors share a cluster."""
        neighbors = self.positives
        if not isinstance(neighbors, Neighbors):
            neighbors = Neighbors(_N_NEIGHBORS)
        heads = setup.network.cluster_heads
        if not setup.continues:
            start_at_kmeans(heads, normalize(setup.embed()), self.n_clusters_)
        students = deepcopy(heads).requires_grad_(True)
        objective = TEMIObjective(students, self.n_clusters_, self.beta)
        pairs = SeparateViews(
            *setup.augmentations(self.augmentation, auto_features="none")
        )
        stage = setup.stage(objective, pairs, neighbors, self.max_epochs)
        follow = ("teachers", FollowStudents(_MOMENTUM))
        return [replace(stage, callbacks=(*stage.callbacks, follow))]

    def _head_loss(self, assignment: Tensor, of_positives: Tensor) -> Tensor:
        """Score a teacher by its own loss on images and neighbors, without weights."""
        loss = PointwiseInformationLoss(self.beta)
        weights = torch.ones_like(of_positives[..., 0])
        return loss(assignment, of_positives, assignment.mean(dim=0), weights)
