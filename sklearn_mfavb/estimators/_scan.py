"""SCANClustering: neighbors share a cluster, then confidence teaches."""

from functools import partial
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklearn_mfavb.assignment import choose_head
from sklearn_mfavb.backbones import FeatureBackbone
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import COUNT, EPOCHS, TEMPERATURE, WEIGHT
from sklearn_mfavb.estimators._resnet import residual_network
from sklearn_mfavb.estimators._setup import FitSetup, start_at_kmeans
from sklearn_mfavb.heads import linear_cluster_head
from sklearn_mfavb.images import Reading
from sklearn_mfavb.losses import SCANLoss
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import (
    InstanceObjective,
    SCANObjective,
    SelfLabelObjective,
)
from sklearn_mfavb.pairs import CleanAndAugmented, SeparateViews
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape

_N_NEIGHBORS = 20
# Of the authors. At 1e-3 confidence overwrites what the clustering has learned: 1,000
# digits (resnet10t, 20 epochs) fell from 0.918 ACC to 0.741, and to 0.911 at this rate.
_SELF_LABEL_RATE = 1e-4


class SCANClustering(BaseImageClusterer):
    """Cluster images by their nearest neighbors, in three steps (SCAN).

    1. Pretext: a ResNet learns to tell images apart.
    2. Clustering: an image and one of its nearest neighbors by what was learned get the
       same cluster, and all clusters are used; several heads, each from a run of
       k-means, are trained, and the one of lowest loss is kept.
    3. Self-labeling: images of which that head is sure teach their augmentations, at a
       learning rate of at most 1e-4.

    With an encoder the first step is skipped, and without pixels the heads stand on the
    features [1]_. This is a reimplementation from the description of the method.

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
        Neighbors that should share a cluster. ``"neighbors"``: the 20 nearest by the
        angle between features, or between the embeddings that the first step learned.
        An image counts as one of its own neighbors, beside them.
    assignment : {"mixture", "kmeans", "head"} or estimator, default="head"
        What labels embeddings: ``"head"``, the cluster head of lowest loss, as in the
        paper; ``"mixture"``, a `sklearn_mfavb.assignment.MixtureAssigner`;
        ``"kmeans"``; or any clusterer or mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    pretext_epochs : int or "auto", default="auto"
        Passes over the images of the first step. ``"auto"``: as `max_epochs`, or 0 with
        an encoder.
    self_label_epochs : int or "auto", default="auto"
        Passes over the images of the third step. ``"auto"``: half of `max_epochs`; 0
        without pixels, as there is no augmentation to learn from.
    pretext_temperature : float, default=0.5
        Temperature of the contrast in the first step. The authors' 0.1 weighs the
        nearest images most, and few images are near only to their own kind.
    entropy_weight : float, default=5.0
        Weight of the term that keeps clusters in use. Lower it if classes are of very
        different sizes; raise it if clusters stay empty.
    self_label_threshold : float, default=0.99
        Probability above which a label counts in the third step.
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
    MFAVBClustering : Contrast instead of agreement alone, on features or images.

    Notes
    -----
    The network is a ResNet-18 (``backbone="auto"``), with a 3x3 stem without pooling
    for images of up to 64 pixels. The released code differs in that the pretext loss
    looks from one view only, at a temperature of 0.1; neighbors are found by
    projections (here: by embeddings, where more of them share a class); heads start at
    random weights; clustering uses RandAugment with Cutout (here: the views of
    `augmentation`); and the first step is trained by SGD. ``REFERENCE`` has its numbers
    of epochs for CIFAR-10.

    References
    ----------
    .. [1] Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV 2020, arXiv:2005.12320.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb import SCANClustering
    >>> rng = np.random.default_rng(0)
    >>> features = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.normal(size=(60, 3))
    >>> clusterer = SCANClustering(3, encoder="precomputed", random_state=0)
    >>> labels = clusterer.fit_predict(features)
    >>> len(np.unique(labels[:20])), len(np.unique(labels))
    (1, 3)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "pretext_epochs": 500,
        "max_epochs": 50,
        "self_label_epochs": 200,
        "batch_size": 128,
        "training__learning_rate": 1e-4,
        "training__schedule": "constant",
        "training__warmup_epochs": 0,
        "training__weight_decay": 1e-4,
        "n_cluster_heads": 1,
        "pretext_temperature": 0.1,
    }

    _short_forms: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._short_forms,
        "positives": lambda _: Neighbors(_N_NEIGHBORS),
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "positives": [StrOptions({"neighbors"}), Neighbors],
        "pretext_epochs": EPOCHS,
        "self_label_epochs": EPOCHS,
        "pretext_temperature": TEMPERATURE,
        "entropy_weight": WEIGHT,
        "self_label_threshold": [Interval(Real, 0, 1, closed="left")],
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
        positives: str | Neighbors = "neighbors",
        assignment: Any = "head",
        outliers: float | Literal["auto"] = 0.0,
        pretext_epochs: int | Literal["auto"] = "auto",
        self_label_epochs: int | Literal["auto"] = "auto",
        pretext_temperature: float = 0.5,
        entropy_weight: float = 5.0,
        self_label_threshold: float = 0.99,
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
        self.pretext_epochs = pretext_epochs
        self.self_label_epochs = self_label_epochs
        self.pretext_temperature = pretext_temperature
        self.entropy_weight = entropy_weight
        self.self_label_threshold = self_label_threshold
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
        """Build a projection for the pretext and linear heads on a backbone."""
        return residual_network(
            self.backbone,
            "resnet18",
            shape,
            self.n_clusters_,
            linear_cluster_head,
            n_cluster_heads=self.n_cluster_heads,
            make_of_features=FeatureBackbone,
        )

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Plan pretext, clustering and self-labeling, those that last."""
        first, second = setup.augmentations(self.augmentation, auto_features="none")
        n_epochs = setup.epochs(self.max_epochs)
        pretext, self_label = self.pretext_epochs, self.self_label_epochs
        has_features = bool(setup.shape.feature_dims)
        if pretext == "auto":
            pretext = 0 if has_features else n_epochs
        if self_label == "auto":
            self_label = 0 if setup.shape.image_size is None else n_epochs // 2
        if not (pretext or has_features or setup.continues):
            raise ValueError(
                "pretext_epochs=0 leaves nothing to find neighbors by: pass an "
                "encoder, train a pretext, or continue a network "
                "(training__warm_start)."
            )
        learning_rate = self._group("training").learning_rate
        apart = SeparateViews(first, second)
        stages = [
            Stage(
                InstanceObjective(self.pretext_temperature), apart, pretext, "pretext"
            ),
            Stage(
                SCANObjective(self.entropy_weight),
                apart,
                n_epochs,
                "clustering",
                prepare=partial(self._start_clustering, setup),
            ),
            Stage(
                SelfLabelObjective(self.self_label_threshold),
                CleanAndAugmented(first),
                self_label,
                "self-labeling",
                prepare=partial(self._choose_head, setup),
                rate=min(1.0, _SELF_LABEL_RATE / learning_rate),
            ),
        ]
        return [stage for stage in stages if stage.max_epochs]

    def _start_clustering(self, setup: FitSetup) -> None:
        """Find the neighbors of every image, and start the heads at k-means."""
        neighbors = self.positives
        if not isinstance(neighbors, Neighbors):
            neighbors = Neighbors(_N_NEIGHBORS)
        if neighbors.space == "auto" and not setup.shape.feature_dims:
            neighbors = clone(neighbors).set_params(space="embedding")
        setup.search(neighbors).run()
        # An image counts as one of its own neighbors.
        columns = [np.arange(len(setup.dataset))[:, None]]
        if setup.dataset.neighbors is not None:
            columns.append(setup.dataset.neighbors)
        setup.dataset.neighbors = np.hstack(columns)
        heads = setup.network.cluster_heads
        heads.choose(-1)
        if setup.continues:
            return
        start_at_kmeans(heads, setup.embed(), self.n_clusters_)

    def _choose_head(self, setup: FitSetup) -> None:
        """Keep the head of lowest loss, and let images be their own positives."""
        heads, dataset = setup.network.cluster_heads, setup.dataset
        device = setup.runtime.device
        loss, embedding = self._head_loss, setup.embed()
        heads.choose(
            choose_head(heads, embedding, dataset.neighbors, loss=loss, device=device)
        )
        dataset.neighbors = None

    def _head_loss(self, assignment: Tensor, of_positives: Tensor) -> Tensor:
        """Score a head by SCAN's loss with the weight that its authors select by."""
        loss = SCANLoss(entropy_weight=1.0)
        return torch.stack([loss(assignment, each) for each in of_positives]).mean()
