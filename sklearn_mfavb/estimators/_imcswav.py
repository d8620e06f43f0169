"""IMCSwAVClustering: codes of prototypes, and a classifier of what they learn."""

from numbers import Integral
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import Interval

from sklearn_mfavb.augmentation import AffineCrop, Identity, ViewAugmentation
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import (
    ASSIGNMENT_OR_AUTO,
    COUNT,
    TEMPERATURE,
    WEIGHT,
)
from sklearn_mfavb.estimators._resnet import residual_network
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.heads import detached_cluster_head, linear_instance_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import IMCSwAVObjective
from sklearn_mfavb.pairs import MultiCrop
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape

_PROJECTION_DIM = 128
# Of a first view, itself a crop of 0.6 of the image on average: SwAV's small crops hold
# 0.08 to 0.4 of the image.
_SMALL_SCALE = (0.13, 0.67)


class IMCSwAVClustering(BaseImageClusterer):
    """Cluster images by codes of prototypes and information (IMC-SwAV).

    Images are assigned to many learned prototypes, all of which get an equal share;
    that code has to be predicted from every other view of the image, as in SwAV [2]_. A
    classifier on top, which teaches the network nothing, learns clusters that tell as
    much as possible about the prototypes [1]_. This is a reimplementation from the
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
    positives : {"auto", "augmentation", "neighbors"} or Neighbors, default="auto"
        What an image should agree with: an augmentation of itself, or of one of its
        nearest neighbors; a `Neighbors` says how these are found. ``"auto"``: neighbors
        with an encoder and for gray images, else augmentations.
    assignment : {"auto", "mixture", "kmeans", "head"} or estimator, default="auto"
        What labels embeddings: ``"head"``, the classifier, as in the paper;
        ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`; ``"kmeans"``; or
        any clusterer or mixture of scikit-learn with `predict`. ``"auto"``: the mixture
        with an encoder, else the head.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    n_prototypes : int, default=1000
        Number of prototypes.
    n_small_crops : int, default=0
        Small parts of an image that are seen beside its two views; each costs as much
        as a view. The paper has 4. Images of few pixels, and characters, are not
        themselves in small parts. Without pixels they are more views of the features.
    prediction_temperature : float, default=0.1
        Temperature of predictions of codes.
    entropy_weight : float, default=4.0
        Weight of the term that keeps clusters in use. Lower it if classes are of very
        different sizes; raise it if clusters stay empty.
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
    ConCURLClustering : Codes that many random projections predict.
    CRLCClustering : Several heads, which shape the embedding too.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. ``REFERENCE`` has the settings of the released code
    for CIFAR-10. Departures: small crops have the size of all views in pixels; the
    rate falls once, along the schedule of `training`, and prototypes learn from the
    first step; the classifier sees the images of the batch alone; and labels come from
    running statistics of the batch normalization, not from those of the test images.

    References
    ----------
    .. [1] Ntelemis, Jin, Thomas, "Information Maximization Clustering via Multi-View
       Self-Labelling", Knowledge-Based Systems 2022, arXiv:2103.07368.
    .. [2] Caron et al., "Unsupervised Learning of Visual Features by Contrasting
       Cluster Assignments", NeurIPS 2020, arXiv:2006.09882.

    Examples
    --------
    >>> from sklearn_mfavb import IMCSwAVClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = IMCSwAVClustering(
    ...     3, backbone="resnet10t", max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "n_small_crops": 4,
        "batch_size": 256,
        "max_epochs": 500,
        "training__learning_rate": 5e-4,
        "training__weight_decay": 1e-5,
        "positives": "augmentation",
        "assignment": "head",
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "assignment": ASSIGNMENT_OR_AUTO,
        "n_prototypes": COUNT,
        "n_small_crops": [Interval(Integral, 0, None, closed="left")],
        "prediction_temperature": TEMPERATURE,
        "entropy_weight": WEIGHT,
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
        assignment: Any = "auto",
        outliers: float | Literal["auto"] = 0.0,
        n_prototypes: int = 1000,
        n_small_crops: int = 0,
        prediction_temperature: float = 0.1,
        entropy_weight: float = 4.0,
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
        self.n_prototypes = n_prototypes
        self.n_small_crops = n_small_crops
        self.prediction_temperature = prediction_temperature
        self.entropy_weight = entropy_weight
        self.backbone = backbone
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.reading = reading
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _make_network(self, shape: ViewShape) -> ClusteringNetwork:
        """Build a ResNet-18, a linear projection and a detached classifier."""
        return residual_network(
            self.backbone,
            "resnet18",
            shape,
            self.n_clusters_,
            detached_cluster_head,
            make_instance_head=linear_instance_head,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Learn codes and clusters in one stage."""
        objective = IMCSwAVObjective(
            _PROJECTION_DIM,
            n_prototypes=self.n_prototypes,
            temperature=self.prediction_temperature,
            entropy_weight=self.entropy_weight,
        )
        crop = AffineCrop(scale=_SMALL_SCALE, horizontal_flip_probability=0.0)
        pairs = MultiCrop(
            *setup.augmentations(self.augmentation),
            ViewAugmentation(crop, Identity()),
            self.n_small_crops,
        )
        return [setup.stage(objective, pairs, self.positives, self.max_epochs)]
