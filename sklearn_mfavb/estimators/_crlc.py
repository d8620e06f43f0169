"""CRLCClustering: images are told apart by projections and by assignments."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import COUNT, TEMPERATURE, WEIGHT
from sklearn_mfavb.estimators._resnet import residual_network
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.heads import two_layer_cluster_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.losses import ProbabilityContrastiveLoss, entropy_of_mean
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import CRLCObjective
from sklearn_mfavb.pairs import WithinPair
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape


class CRLCClustering(BaseImageClusterer):
    """Cluster images by contrast of projections and of assignments (CRLC).

    Both heads learn to tell which two views show one image: the projections by their
    cosine, the assignments by the probability that two images share a cluster [1]_.
    Several cluster heads are trained, and the one of lowest loss is kept. This is a
    reimplementation from the description of the method.

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
    assignment : {"mixture", "kmeans", "head"} or estimator, default="head"
        What labels embeddings: ``"head"``, the cluster head of lowest loss, as in the
        paper; ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`;
        ``"kmeans"``; or any clusterer or mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    instance_temperature : float, default=0.1
        Temperature of the contrast between images.
    instance_weight : float, default=10.0
        Weight of the contrast between images.
    entropy_weight : float, default=2.0
        Weight of the term that keeps clusters in use. Lower it if classes are of very
        different sizes; raise it if clusters stay empty.
    backbone : str or callable, default="auto"
        Network from views to embeddings. ``"auto"``: the method's own. Another string
        names one of timm, such as ``"resnet18"``. A callable takes the keywords
        ``image_size`` (None without pixels), ``n_channels`` and ``feature_dims`` (one
        for each encoder), and returns a `sklearn_mfavb.backbones.Backbone`.
    n_cluster_heads : int, default=10
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
    ContrastiveClustering : Contrast of the columns of assignments in place of the rows.
    SCANClustering : The same agreement of assignments, without negatives.

    Notes
    -----
    The network is a ResNet-34 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. ``REFERENCE`` has the batches and passes of the
    released code, but not its rate, which is one of SGD. The code also pulls logits
    beyond 25 back; here the smoothing of assignments keeps gradients alive.

    References
    ----------
    .. [1] Do, Tran, Venkatesh, "Clustering by Maximizing Mutual Information Across
       Views", ICCV 2021, arXiv:2107.11635.

    Examples
    --------
    >>> from sklearn_mfavb import CRLCClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = CRLCClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "batch_size": 512,
        "max_epochs": 2000,
        "training__schedule": "constant",
        "training__warmup_epochs": 0,
        "positives": "augmentation",
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "instance_temperature": TEMPERATURE,
        "instance_weight": WEIGHT,
        "entropy_weight": WEIGHT,
        "n_cluster_heads": COUNT,
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
        assignment: Any = "head",
        outliers: float | Literal["auto"] = 0.0,
        instance_temperature: float = 0.1,
        instance_weight: float = 10.0,
        entropy_weight: float = 2.0,
        backbone: Any = "auto",
        n_cluster_heads: int = 10,
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
        self.instance_temperature = instance_temperature
        self.instance_weight = instance_weight
        self.entropy_weight = entropy_weight
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
        """Build a ResNet-34, and two-layer heads without batch normalization."""
        return residual_network(
            self.backbone,
            "resnet34",
            shape,
            self.n_clusters_,
            two_layer_cluster_head,
            n_cluster_heads=self.n_cluster_heads,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Contrast the two views of every image in both heads."""
        objective = CRLCObjective(
            temperature=self.instance_temperature,
            instance_weight=self.instance_weight,
            entropy_weight=self.entropy_weight,
        )
        pairs = WithinPair(*setup.augmentations(self.augmentation))
        return [setup.stage(objective, pairs, self.positives, self.max_epochs)]

    def _head_loss(self, assignment: Tensor, of_positives: Tensor) -> Tensor:
        """Score a head by the terms of the loss that it has a part in."""
        loss = ProbabilityContrastiveLoss()
        contrast = torch.stack([loss(assignment, each) for each in of_positives]).mean()
        return contrast - self.entropy_weight * entropy_of_mean(assignment)
