"""GCCClustering: contrast along a graph of neighbors that learning redraws."""

from typing import Any, ClassVar, Literal

import torch
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions

from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import EPOCHS, TEMPERATURE, WEIGHT
from sklearn_mfavb.estimators._resnet import residual_network
from sklearn_mfavb.estimators._setup import FitSetup
from sklearn_mfavb.heads import linear_cluster_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import GCCObjective, InstanceObjective
from sklearn_mfavb.pairs import SeparateViews, ViewsAndPartner
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape

_N_NEIGHBORS = 5


class GCCClustering(BaseImageClusterer):
    """Cluster images by contrast along a graph of their neighbors (GCC).

    First a contrast tells images apart. Then neighbors by what was learned are found,
    again every few epochs, and an image is drawn to another view of itself and to a
    neighbor, with which it also shares a cluster [1]_. With an encoder the first step
    is skipped. This is a reimplementation from the description of the method.

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
        The graph. ``"neighbors"``: the 5 nearest by the angle between features, or
        between embeddings, which are compared again every 5 epochs; by pixels if there
        is no first step.
    assignment : {"mixture", "kmeans", "head"} or estimator, default="head"
        What labels embeddings: ``"head"``, the cluster head, as in the paper;
        ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`; ``"kmeans"``; or
        any clusterer or mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    pretrain_epochs : int or "auto", default="auto"
        Passes over the images by the contrast alone, before neighbors are found.
        ``"auto"``: half of `max_epochs`, or 0 with an encoder. A fit that continues
        another (`warm_start`) leaves this out.
    instance_temperature : float, default=0.1
        Temperature of the contrast between images.
    instance_weight : float, default=2.0
        Weight of the contrast between images.
    entropy_weight : float, default=2.0
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
    SCANClustering : Neighbors share a cluster too, without contrast.
    ContrastiveClustering : Contrast of two views, without a graph.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels, and one linear cluster head. ``REFERENCE`` has the
    numbers of the released code for CIFAR-10, but not its rate, which is one of SGD.
    Departures: gray images have neighbors by pixels in the first step; then neighbors
    are found by embeddings of the clean images, where the code keeps a mean of the last
    20 of every image; one neighbor is drawn in every step, in place of three that are
    kept; all count the same, where the code weighs them by their degree; and no epoch
    is chosen by labels.

    References
    ----------
    .. [1] Zhong et al., "Graph Contrastive Clustering", ICCV 2021, arXiv:2104.01429.

    Examples
    --------
    >>> from sklearn_mfavb import GCCClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = GCCClustering(
    ...     3, backbone="resnet10t", pretrain_epochs=1, max_epochs=2, random_state=0
    ... ).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "pretrain_epochs": 50,
        "max_epochs": 950,
        "batch_size": 256,
        "training__weight_decay": 1e-4,
    }

    _short_forms: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._short_forms,
        "positives": lambda _: Neighbors(_N_NEIGHBORS),
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "positives": [StrOptions({"neighbors"}), Neighbors],
        "pretrain_epochs": EPOCHS,
        "instance_temperature": TEMPERATURE,
        "instance_weight": WEIGHT,
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
        positives: str | Neighbors = "neighbors",
        assignment: Any = "head",
        outliers: float | Literal["auto"] = 0.0,
        pretrain_epochs: int | Literal["auto"] = "auto",
        instance_temperature: float = 0.1,
        instance_weight: float = 2.0,
        entropy_weight: float = 2.0,
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
        self.pretrain_epochs = pretrain_epochs
        self.instance_temperature = instance_temperature
        self.instance_weight = instance_weight
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
        """Build a ResNet-18, a projection of two layers and one linear cluster head."""
        return residual_network(
            self.backbone, "resnet18", shape, self.n_clusters_, linear_cluster_head
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Plan contrast alone; then contrast along the graph."""
        views = setup.augmentations(self.augmentation)
        n_epochs = setup.epochs(self.max_epochs)
        has_features = bool(setup.shape.feature_dims)
        pretrain = self.pretrain_epochs
        if pretrain == "auto":
            pretrain = 0 if has_features else n_epochs // 2
        neighbors = self.positives
        if not isinstance(neighbors, Neighbors):
            neighbors = Neighbors(_N_NEIGHBORS)
        if neighbors.space == "auto" and pretrain and not has_features:
            neighbors = clone(neighbors).set_params(space="embedding")
        search = setup.search(neighbors)
        objective = GCCObjective(
            temperature=self.instance_temperature,
            instance_weight=self.instance_weight,
            entropy_weight=self.entropy_weight,
        )
        stages = [
            Stage(
                InstanceObjective(self.instance_temperature),
                SeparateViews(*views),
                0 if setup.continues else pretrain,
                "pretraining",
                prepare=setup.search("auto").prepare,
            ),
            Stage(
                objective,
                ViewsAndPartner(*views),
                n_epochs,
                "clustering",
                prepare=search.run,
                callbacks=search.callbacks(),
            ),
        ]
        return [stage for stage in stages if stage.max_epochs]
