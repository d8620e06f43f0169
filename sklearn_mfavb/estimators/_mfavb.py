"""MFAVBClustering: contrastive clustering with fusing-augmenting ViT blocks."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sklearn_mfavb.augmentation import Transform
from sklearn_mfavb.backbones import FusingAugmentingViT, resolve_vit_size
from sklearn_mfavb.contrast import CONTRASTS, Contrast
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._positives import (
    EmbeddingNeighbors,
    limit_neighbors,
    pixel_neighbors,
)
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.objectives import ContrastiveObjective
from sklearn_mfavb.training import RefreshNeighbors

_AUTO_COUNT = [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]
_AUTO_DEPTH = [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")]
_TEMPERATURE = [Interval(Real, 0, None, closed="neither")]
_WEIGHT = [Interval(Real, 0, None, closed="left")]


class MFAVBClustering(BaseImageClusterer):
    """Cluster images with fusing-augmenting ViT blocks and contrastive learning.

    Every image is augmented twice; both views pass weight-sharing vision transformers,
    their tokens are fused by a larger one and split into a new pair, block after block.
    An instance head and a cluster head on the last pair are trained by contrast
    (Contrastive Clustering, [2]_); the label of an image is its likeliest cluster.

    This is a reimplementation from the published abstract and secondary summaries of
    [1]_; the paper's tables, equations and settings were not available to us.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    n_blocks : int, default=2
        Number of fusing-augmenting blocks (FAVBs), each with its own weights.
    shared_depth : int or "auto", default="auto"
        Layers of each block that see one view alone. ``"auto"``: 1 for images up to 64
        pixels, else 2.
    fused_depth : int or "auto", default="auto"
        Layers of each block that see both views of a pair; 0 turns fusion off.
        ``"auto"``: as for `shared_depth`.
    embed_dim : int or "auto", default="auto"
        Width of the network and of what `transform` returns. ``"auto"``: 64, 128, 192
        or 384 for longest sides up to 16, 64, 128 and above.
    n_heads : int or "auto", default="auto"
        Attention heads of every layer; must divide `embed_dim`. ``"auto"``: one for
        every 32 units of `embed_dim`, or the next fewer that divide it.
    patch_size : int or "auto", default="auto"
        Side in pixels of the square behind one token; a power of two. ``"auto"``: the
        smallest from 2 to 16 that gives at most 64 tokens.
    contrast : {"across_pairs", "within_pair"}, default="across_pairs"
        What is contrasted. ``"across_pairs"``: two fused pairs per image, and each half
        with the matching half of the other pair, which it has not seen.
        ``"within_pair"``: the two halves of one pair, the literal reading of the paper;
        the halves have read each other, so with fusion little is learned.
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        What an image must agree with: an augmentation of itself, or of one of its
        nearest neighbours. ``"auto"``: neighbours for grey images and strips, where
        pixels tell likeness, else augmentations.
    neighbor_space : {"pixels", "embedding"}, default="pixels"
        Where neighbours are sought: by pixels (averaged down to 16 a side), once; or by
        the network's own embedding, again every `neighbor_refresh` epochs (before the
        first search, positives are augmentations).
    n_neighbors : int, default=10
        Neighbours of each image; at most half of ``n_samples / n_clusters`` are used.
    neighbor_refresh : int, default=5
        Epochs between two searches in the embedding.
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    cluster_temperature : float, default=1.0
        Temperature of the contrast between clusters.
    instance_weight, cluster_weight : float, default=1.0
        Weights of the two contrasts in the loss.
    balance_weight : float, default=1.0
        Weight of the term that keeps clusters equally large. Lower it if the true
        clusters are of very different sizes; raise it if clusters stay empty.
    augmentation : str, callable or tuple of two callables, default="auto"
        How views are made: ``"photographs"``, ``"aerial"``, ``"characters"``,
        ``"none"``, or your own. A callable takes and returns a float tensor of shape
        (batch_size, n_channels, height, width) with values in [0, 1]; a tuple has one
        for each view. ``"auto"``: ``"characters"`` for grey images, ``"none"`` for
        strips, else ``"photographs"``.
    image_size : int, tuple of int or "auto", default="auto"
        Side, or (height, width), in pixels at which images are seen. ``"auto"``: their
        own size, reduced to a longest side of 64 if that is larger (files of different
        sizes: their median). On a GPU, 224 is the literature's choice.
    image_shape : tuple of int, default=None
        Shape of the image in a row of `X` if `X` is two-dimensional: (height, width),
        (height, width, n_channels) or (n_channels, height, width); one entry may be
        -1. ``(1, -1)`` reads any row of features as a strip. None: rows are square,
        grey or RGB.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a four-dimensional `X`. None: the last axis if it is 1,
        3 or 4, else axis 1; needed only if both could be.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        Values (black, white). ``"auto"``: (0, 255) for uint8 and (0, 1) for floats, and
        anything else is an error; strips take the range of the data. ``"data"``: the
        range of the images passed to `fit`.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that cannot be read: raise an error that names the file,
        or leave them out, label them -1 and list them in `skipped_`.
    max_epochs : int, default=40
        Passes over the images.
    batch_size : int or "auto", default="auto"
        Most images in a step; epochs are split into batches of nearly equal size.
        ``"auto"``: an eighth of the images, but at least 8 per cluster and at most 256.
    learning_rate : float, default=0.001
        Peak learning rate of AdamW.
    warmup_epochs : int, default=2
        Epochs in which the learning rate rises; then it falls along a cosine.
    weight_decay : float, default=0.05
        Weight decay of AdamW.
    device : str or torch.device, default="auto"
        Where to train and predict. ``"auto"``: a CUDA device if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the forward and backward pass in training; losses and predictions
        are always in float32. ``"auto"``: bfloat16 on CUDA devices that have it.
    callbacks : list of skorch callbacks, default=None
        Added to our own; instances or pairs (name, callback). There is no validation
        loss: `EarlyStopping` needs ``monitor="train_loss"``.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 prints a table of all losses per epoch.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`. The same seed gives the same labels on the
        same device and versions; torch's and NumPy's global states are left alone.

    Attributes
    ----------
    labels_ : ndarray of int64 of shape (n_samples,)
        Cluster of every image passed to `fit`; -1 for skipped files.
    n_iter_ : int
        Number of epochs run.
    history_ : list of dict
        One dict per epoch: ``epoch``, ``loss``, ``instance_loss``, ``cluster_loss``,
        ``balance_loss`` (weighted; they add up to ``loss``) and ``seconds``.
    image_size_ : tuple of int
        Height and width in pixels at which images are seen.
    image_format_ : ImageFormat
        How the images passed to `fit` were read; new images are read the same way.
    n_features_in_ : int
        Number of values per image passed to `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` was a dataframe with string names.
    paths_ : list of str or None
        The files that were read, in the order of `labels_`; None for arrays.
    skipped_ : dict of int to str
        Why files were skipped, by their index in `labels_`.
    net_ : skorch.NeuralNet
        The training loop; its ``module_`` is the network.

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

    _parameter_constraints: ClassVar[dict] = {
        **BaseImageClusterer._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "shared_depth": _AUTO_DEPTH,
        "fused_depth": _AUTO_DEPTH,
        "embed_dim": _AUTO_COUNT,
        "n_heads": _AUTO_COUNT,
        "patch_size": _AUTO_COUNT,
        "contrast": [StrOptions(set(CONTRASTS))],
        "positives": [StrOptions({"auto", "augmentation", "neighbors"})],
        "neighbor_space": [StrOptions({"pixels", "embedding"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "neighbor_refresh": [Interval(Integral, 1, None, closed="left")],
        "instance_temperature": _TEMPERATURE,
        "cluster_temperature": _TEMPERATURE,
        "instance_weight": _WEIGHT,
        "cluster_weight": _WEIGHT,
        "balance_weight": _WEIGHT,
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_blocks: int = 2,
        shared_depth: int | Literal["auto"] = "auto",
        fused_depth: int | Literal["auto"] = "auto",
        embed_dim: int | Literal["auto"] = "auto",
        n_heads: int | Literal["auto"] = "auto",
        patch_size: int | Literal["auto"] = "auto",
        contrast: Literal["across_pairs", "within_pair"] = "across_pairs",
        positives: Literal["auto", "augmentation", "neighbors"] = "auto",
        neighbor_space: Literal["pixels", "embedding"] = "pixels",
        n_neighbors: int = 10,
        neighbor_refresh: int = 5,
        instance_temperature: float = 0.5,
        cluster_temperature: float = 1.0,
        instance_weight: float = 1.0,
        cluster_weight: float = 1.0,
        balance_weight: float = 1.0,
        augmentation: Any = "auto",
        image_size: int | tuple[int, int] | Literal["auto"] = "auto",
        image_shape: tuple[int, ...] | None = None,
        channel_axis: Literal[1, -1] | None = None,
        pixel_range: tuple[float, float] | Literal["auto", "data"] = "auto",
        on_error: Literal["raise", "skip"] = "raise",
        max_epochs: int = 40,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float = 1e-3,
        warmup_epochs: int = 2,
        weight_decay: float = 0.05,
        device: str | torch.device = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        callbacks: list | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_blocks = n_blocks
        self.shared_depth = shared_depth
        self.fused_depth = fused_depth
        self.embed_dim = embed_dim
        self.n_heads = n_heads
        self.patch_size = patch_size
        self.contrast = contrast
        self.positives = positives
        self.neighbor_space = neighbor_space
        self.n_neighbors = n_neighbors
        self.neighbor_refresh = neighbor_refresh
        self.instance_temperature = instance_temperature
        self.cluster_temperature = cluster_temperature
        self.instance_weight = instance_weight
        self.cluster_weight = cluster_weight
        self.balance_weight = balance_weight
        self.augmentation = augmentation
        self.image_size = image_size
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.pixel_range = pixel_range
        self.on_error = on_error
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup_epochs = warmup_epochs
        self.weight_decay = weight_decay
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.verbose = verbose
        self.warm_start = warm_start
        self.random_state = random_state

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int
    ) -> FusingAugmentingViT:
        """Build the chain of fusing-augmenting blocks."""
        vit = resolve_vit_size(
            size,
            patch_size=self.patch_size,
            embed_dim=self.embed_dim,
            n_heads=self.n_heads,
            n_blocks=self.n_blocks,
            shared_depth=self.shared_depth,
            fused_depth=self.fused_depth,
        )
        return FusingAugmentingViT(
            vit.grid_size,
            n_channels=n_channels,
            patch_size=vit.patch_size,
            embed_dim=vit.embed_dim,
            n_heads=vit.n_heads,
            n_blocks=vit.n_blocks,
            shared_depth=vit.shared_depth,
            fused_depth=vit.fused_depth,
        )

    def _make_contrast(self, first: Transform, second: Transform) -> Contrast:
        """Contrast across two fused pairs, or within one."""
        return CONTRASTS[self.contrast](first, second)

    def _make_objective(self) -> ContrastiveObjective:
        """Weigh instance contrast, cluster contrast and balance."""
        return ContrastiveObjective(
            instance_temperature=self.instance_temperature,
            cluster_temperature=self.cluster_temperature,
            instance_weight=self.instance_weight,
            cluster_weight=self.cluster_weight,
            balance_weight=self.balance_weight,
        )

    def _arrange_positives(self, dataset: ImageDataset) -> list[tuple[str, Callback]]:
        """Seek neighbours now by pixels, or while training by the embedding."""
        if self._resolve_positives(dataset) == "augmentation" or len(dataset) == 1:
            return []
        n_neighbors = limit_neighbors(self.n_neighbors, len(dataset), self.n_clusters)
        if self.neighbor_space == "embedding":
            batch_size = self._resolve_batch_size(len(dataset))
            find = EmbeddingNeighbors(n_neighbors, batch_size)
            return [("neighbors", RefreshNeighbors(find, self.neighbor_refresh))]
        dataset.neighbors = pixel_neighbors(dataset, n_neighbors)
        return []

    def _resolve_positives(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: pixels show neighbours of grey images, not of photos."""
        if self.positives != "auto":
            return self.positives
        return "neighbors" if dataset.source.n_channels == 1 else "augmentation"
