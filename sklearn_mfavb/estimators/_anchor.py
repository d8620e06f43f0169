"""AnchorClustering: instance contrast, learnable centers and an anchor."""

from functools import partial
from typing import Any, ClassVar, Literal, cast

import torch
from sklearn.cluster import KMeans

from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import EPOCHS, TEMPERATURE, WEIGHT
from sklearn_mfavb.estimators._resnet import residual_network
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.heads import CenterHead
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import AnchorObjective, InstanceObjective
from sklearn_mfavb.pairs import CleanAndAugmented, SeparateViews
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape


class AnchorClustering(BaseImageClusterer):
    """Cluster images by learnable centers, with clean images as anchors.

    Three losses are added: a contrast tells images apart; a clean image sharpens its
    own assignment to the centers, by Student's t as in DEC; and the assignments of its
    views follow that of the clean image, the anchor [1]_. This is a reimplementation
    from the description of the method, without the faults of its released code.

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
    assignment : {"mixture", "kmeans", "head"} or estimator, default="head"
        What labels embeddings: ``"head"``, the learned centers (the paper's "model");
        ``"kmeans"`` (its "representation"); ``"mixture"``, a
        `sklearn_mfavb.assignment.MixtureAssigner`; or any clusterer or mixture of
        scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    pretrain_epochs : int or "auto", default="auto"
        Passes over the images by the contrast alone, before k-means sets the centers.
        0 sets them in the random network, as the released code does. ``"auto"``: half
        of `max_epochs`. A fit that continues another (`warm_start`) leaves this out.
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    instance_weight : float, default=1.0
        Weight of the contrast between images.
    dec_weight : float, default=1.0
        Weight of the sharpening of clean images.
    anchor_weight : float, default=1.0
        Weight of the agreement of views with the clean image.
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
    ContrastiveClustering : Contrast of clusters in place of centers.

    Notes
    -----
    The network is a ResNet-34 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. Only DEC's target keeps clusters balanced.

    References
    ----------
    .. [1] Sundareswaran et al., "Cluster Analysis with Deep Embeddings and Contrastive
       Learning", 2021, arXiv:2109.12714.

    Examples
    --------
    >>> from sklearn_mfavb import AnchorClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = AnchorClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "image_size": 224,
        "augmentation": "cc",
        "pretrain_epochs": 0,
        "batch_size": 128,
        "max_epochs": 2000,
        "training__learning_rate": 3e-4,
        "training__schedule": "constant",
        "training__warmup_epochs": 0,
        "training__weight_decay": 0.0,
        "random_state": 42,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "pretrain_epochs": EPOCHS,
        "instance_temperature": TEMPERATURE,
        "instance_weight": WEIGHT,
        "dec_weight": WEIGHT,
        "anchor_weight": WEIGHT,
    }

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 8,
        *,
        encoder: Any = None,
        use_pixels: bool | Literal["auto"] = "auto",
        image_size: int | tuple[int, int] | Literal["auto"] = "auto",
        augmentation: Any = "auto",
        assignment: Any = "head",
        outliers: float | Literal["auto"] = 0.0,
        pretrain_epochs: int | Literal["auto"] = "auto",
        instance_temperature: float = 0.5,
        instance_weight: float = 1.0,
        dec_weight: float = 1.0,
        anchor_weight: float = 1.0,
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
        self.assignment = assignment
        self.outliers = outliers
        self.pretrain_epochs = pretrain_epochs
        self.instance_temperature = instance_temperature
        self.instance_weight = instance_weight
        self.dec_weight = dec_weight
        self.anchor_weight = anchor_weight
        self.backbone = backbone
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build a ResNet-34, a projection of two layers, and centers."""
        return residual_network(
            self.backbone, "resnet34", shape, self.n_clusters_, CenterHead
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Plan contrast alone; then, from the centers of k-means, all three losses."""
        views = setup.augmentations(self.augmentation)
        n_epochs = setup.epochs(self.max_epochs)
        pretrain = self.pretrain_epochs
        if pretrain == "auto":
            pretrain = n_epochs // 2
        contrast = InstanceObjective(self.instance_temperature)
        objective = AnchorObjective(
            instance_temperature=self.instance_temperature,
            instance_weight=self.instance_weight,
            dec_weight=self.dec_weight,
            anchor_weight=self.anchor_weight,
        )
        place_centers = None if setup.continues else partial(self._place_centers, setup)
        clustering = Stage(
            objective,
            CleanAndAugmented(*views),
            n_epochs,
            "clustering",
            prepare=place_centers,
        )
        if setup.continues or not pretrain:
            return [clustering]
        apart = SeparateViews(*views)
        return [Stage(contrast, apart, pretrain, "pretraining"), clustering]

    def _place_centers(self, setup: FitSetup) -> None:
        """Set the centers by k-means on the embeddings of the clean images."""
        embedding = setup.embed()
        seed = int(torch.randint(2**31 - 1, ()))  # torch's generator is seeded here
        kmeans = KMeans(self.n_clusters_, n_init=10, random_state=seed).fit(embedding)
        head = cast(CenterHead, setup.network.cluster_heads[0])
        head.set_centers(torch.from_numpy(kmeans.cluster_centers_))
