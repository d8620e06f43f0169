"""MFAVBClustering: contrastive clustering with fusing-augmenting ViT blocks."""

from functools import partial
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import StrOptions

from sklearn_mfavb.backbones import (
    Backbone,
    FeatureMLP,
    ViT,
    build_backbone,
    build_fusing_vit,
    sizes_of,
)
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._constraints import COUNT, EPOCHS
from sklearn_mfavb.estimators._setup import FitSetup, contrastive_stage
from sklearn_mfavb.heads import (
    ClusterHead,
    ClusterHeads,
    InstanceHead,
    small_cluster_head,
    small_instance_head,
)
from sklearn_mfavb.images import ImageDataset, Reading
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.objectives import ContrastiveTerms
from sklearn_mfavb.pairs import PAIRS
from sklearn_mfavb.positives import Neighbors
from sklearn_mfavb.training import Stage, Training
from sklearn_mfavb.views import ViewShape


class MFAVBClustering(BaseImageClusterer):
    """Cluster images with fusing-augmenting ViT blocks and contrastive learning.

    Every image is augmented twice. Both views pass through weight-sharing vision
    transformers; their tokens are fused by a larger one and split into a new pair,
    block after block. An instance head and cluster heads on the last pair are trained
    by contrast (Contrastive Clustering, [2]_), and a mixture labels the embeddings.

    This is a reimplementation from the published abstract and secondary summaries of
    [1]_; the paper's tables, equations and settings were not available to us.

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
    assignment : {"mixture", "kmeans", "head"} or estimator, default="mixture"
        What labels embeddings: ``"mixture"``, a Gaussian mixture, see
        `sklearn_mfavb.assignment.MixtureAssigner`; ``"kmeans"``, whose probabilities
        fall with the distance by Student's t; ``"head"``, the cluster head of lowest
        loss; or any clusterer or mixture of scikit-learn with `predict`.
    outliers : float or "auto", default=0.0
        Share of the images that get -1, for no cluster; ``"auto"``: those unusually far
        from their neighbors, see `sklearn_mfavb.outliers.OutlierScorer`.
    n_blocks : int, default=2
        Number of fusing-augmenting blocks (FAVBs), each with its own weights. An MLP on
        features alone has none: set a depth or a `ViT` for blocks there.
    shared_depth : int or "auto", default="auto"
        Layers of each block that see one view alone. ``"auto"``: those that
        `fused_depth` leaves of 2, or of 4 for images over 64 pixels; at least 1.
        Without pixels a depth, or a `ViT`, takes the place of the MLP.
    fused_depth : int or "auto", default="auto"
        Layers of each block that see both views of a pair; 0 turns fusion off, and
        nearly doubles the passes of a minute. ``"auto"``: 1 for images up to 64 pixels,
        else 2; 0 without pixels.
    contrast : {"auto", "across_pairs", "within_pair"}, default="auto"
        What is contrasted. ``"across_pairs"``: two fused pairs per image, each half
        with the matching half of the other pair, which it has not seen.
        ``"within_pair"``: the two halves of one pair, the literal reading of the paper;
        after fusion the halves have seen each other, and little is learned. ``"auto"``:
        across pairs if views are fused, else within one pair.
    backbone : str, callable or ViT, default="auto"
        Network from views to embeddings. ``"auto"``: the method's own, in a size that
        suits the images, or on features alone a `FeatureMLP`; a `ViT` sets its sizes.
        Another string names a network of timm, such as ``"resnet18"``. A callable is
        called with the keywords ``image_size`` (height and width; None without pixels),
        ``n_channels`` and ``feature_dims`` (one for each encoder), and returns a
        `sklearn_mfavb.backbones.Backbone`.
    objective : ContrastiveTerms, default=None
        Temperatures and weights of the loss, and the number of cluster heads. None
        stands for ``ContrastiveTerms(information_weight=0.5, n_cluster_heads=4)``.
    max_epochs : int or "auto", default="auto"
        Passes over the images. ``"auto"``: 40; with an encoder as many as make 350
        steps, 400 if the network looks at pixels too and 900 with transformer blocks
        without them, but at least 10.
    batch_size : int or "auto", default="auto"
        Largest number of images in a step. ``"auto"``: an eighth of the images, but at
        least 8 per cluster and at most 256; half of that for contrast across pairs,
        which makes twice as many views.
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
    features_ : ndarray of float32 of shape (n_samples, n_features) or None
        Their features, as encoders gave them; None unless an encoder computed them.
    n_clusters_ : int
        Number of clusters.
    n_clusters_scores_ : dict of int to list of float, or None
        Scores of all numbers tried, see `NClustersSelector`; None if it was given.
    cluster_names_ : list of str
        "cluster 0" and so on, until `name_clusters` has proposed names.
    cluster_features_ : ndarray of float32 of shape (n_clusters, n_features)
        Mean unit features of the images in each cluster; NaN for empty ones.
    model_ : ClusteringModel
        The trained network, its encoders, and what assigns embeddings to clusters.
    history_ : list of dict
        One dict per epoch: ``epoch``, ``stage`` (of methods with several), ``seconds``,
        ``loss`` and the weighted terms that add up to it (``instance_loss`` and so on).
    n_iter_ : int
        Number of epochs run.
    max_epochs_ : int
        Number of epochs planned, of all stages.
    image_size_ : tuple of int or None
        Height and width in pixels that the network sees; None without pixels.
    paths_ : list of str or None
        Paths of the files, in the order of `labels_`; None for arrays.
    skipped_ : dict of int to str
        Reasons for which files were skipped, by their index in `labels_`.
    n_features_in_ : int
        Number of columns, if X is two-dimensional.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X is a dataframe with string names.

    See Also
    --------
    sklearn.cluster.KMeans : The baseline to compare with.
    sklearn_mfavb.metrics.clustering_accuracy : Score against known classes.

    Notes
    -----
    Prediction passes every clean image once: two equal views through the fusing
    blocks give exactly what one view gives through the same layers, at half the cost.

    References
    ----------
    .. [1] Wang et al., "Improve Contrastive Clustering Performance by Multiple
       Fusing-Augmenting ViT Blocks", 2025, arXiv:2511.08883.
    .. [2] Li et al., "Contrastive Clustering", AAAI 2021, arXiv:2009.09687.

    Examples
    --------
    >>> from sklearn_mfavb import MFAVBClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = MFAVBClustering(3, max_epochs=10, random_state=0).fit(images)
    >>> clusterer.labels_.shape
    (60,)
    >>> clusterer.transform(images[:5]).shape
    (5, 64)
    """

    _groups: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._groups,
        "objective": partial(
            ContrastiveTerms, information_weight=0.5, n_cluster_heads=4
        ),
    }

    _short_forms: ClassVar[dict[str, Any]] = {
        **BaseImageClusterer._short_forms,
        "backbone": sizes_of,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseImageClusterer._parameter_constraints,
        "n_blocks": COUNT,
        "shared_depth": EPOCHS,
        "fused_depth": EPOCHS,
        "contrast": [StrOptions({"auto", *PAIRS})],
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
        assignment: Any = "mixture",
        outliers: float | Literal["auto"] = 0.0,
        n_blocks: int = 2,
        shared_depth: int | Literal["auto"] = "auto",
        fused_depth: int | Literal["auto"] = "auto",
        contrast: Literal["auto", "across_pairs", "within_pair"] = "auto",
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
        self.n_blocks = n_blocks
        self.shared_depth = shared_depth
        self.fused_depth = fused_depth
        self.contrast = contrast
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
        """Build the chain of fusing-augmenting blocks, and three-layer heads.

        An MLP on features alone has two-layer heads, or these would be most of it.
        """
        if self._is_mlp(shape.image_size is None):
            backbone: Backbone = FeatureMLP(shape.feature_dims)
            instance_head, make_head = small_instance_head, small_cluster_head
        else:
            blocks = partial(
                build_fusing_vit,
                shape,
                self.backbone if isinstance(self.backbone, ViT) else None,
                n_blocks=self.n_blocks,
                shared_depth=self.shared_depth,
                fused_depth=self.fused_depth,
            )
            backbone = build_backbone(self.backbone, shape, blocks)
            instance_head, make_head = InstanceHead, ClusterHead
        width, n_heads = backbone.embed_dim, self._group("objective").n_cluster_heads
        return ClusteringNetwork(
            backbone,
            instance_head(width),
            ClusterHeads(width, self.n_clusters_, n_heads, make_head),
            n_channels=shape.n_channels,
        )

    def _is_mlp(self, without_pixels: bool) -> bool:
        """Whether the network is an MLP: without pixels there is nothing to fuse."""
        depths = self.shared_depth, self.fused_depth
        return without_pixels and self.backbone == "auto" and depths == ("auto",) * 2

    def _plan(self, setup: FitSetup) -> list[Stage]:
        """Contrast images and clusters, across two fused pairs or within one."""
        stage = contrastive_stage(
            setup,
            PAIRS[self._resolve_contrast(setup.dataset)],
            self._group("objective"),
            augmentation=self.augmentation,
            positives=self.positives,
            balance=self.balance,
            max_epochs=self.max_epochs,
        )
        return [stage]

    def _resolve_contrast(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: fused views have seen their partner."""
        if self.contrast != "auto":
            return self.contrast
        without_pixels = dataset.size is None
        depth = self.fused_depth if self.fused_depth != "auto" else not without_pixels
        # A function may build a network that fuses; networks of timm do not.
        is_own = isinstance(self.backbone, ViT) or self.backbone == "auto"
        is_fused = depth > 0 if is_own else callable(self.backbone)
        return "across_pairs" if is_fused else "within_pair"

    def _n_pairs(self, dataset: ImageDataset) -> int:
        """Return the number of pairs of views that are drawn of each image."""
        return 2 if self._resolve_contrast(dataset) == "across_pairs" else 1
