"""MFAVBClustering: contrastive clustering with fusing-augmenting ViT blocks."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sklearn_mfavb.backbones import FusingAugmentingViT, resolve_vit_size
from sklearn_mfavb.contrast import CONTRASTS, Augmentation, Contrast
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._positives import (
    EmbeddingNeighbors,
    feature_neighbors,
    limit_neighbors,
    pixel_neighbors,
)
from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.objectives import ContrastiveObjective
from sklearn_mfavb.training import RefreshNeighbors

_AUTO_COUNT = [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]
_AUTO_DEPTH = [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")]
_TEMPERATURE = [Interval(Real, 0, None, closed="neither")]
_WEIGHT = [Interval(Real, 0, None, closed="left")]

_MOST_TOKENS, _MOST_TOKENS_WITH_CLIP = 64, 16
_NEIGHBORS, _CLIP_NEIGHBORS = 10, 5
_FIND_NEIGHBORS = {"clip": feature_neighbors, "pixels": pixel_neighbors}


class MFAVBClustering(BaseImageClusterer):
    """Cluster images with fusing-augmenting ViT blocks and contrastive learning.

    Every image is augmented twice; both views pass weight-sharing vision transformers,
    their tokens are fused by a larger one and split into a new pair, block after block.
    An instance head and cluster heads on the last pair are trained by contrast
    (Contrastive Clustering, [2]_); a balanced mixture labels what was learned.

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
        smallest from 2 to 16 that gives at most 64 tokens (16 with `clip`, where they
        bring less).
    contrast : {"across_pairs", "within_pair"}, default="across_pairs"
        What is contrasted. ``"across_pairs"``: two fused pairs per image, and each half
        with the matching half of the other pair, which it has not seen.
        ``"within_pair"``: the two halves of one pair, the literal reading of the paper;
        the halves have read each other, so with fusion little is learned.
    clip : str, CLIPFeatures, "precomputed" or None, default=None
        Features of a frozen encoder that join the tokens of every view. The name of a
        model of open_clip or timm (such as ``"ViT-B-32"``) or a `CLIPFeatures` (for a
        cache, say; images are read as this class says) computes them from the images,
        here and in `predict`, and the fitted model carries the encoder.
        ``"precomputed"``: they are passed to every method as `clip_features`. None:
        pixels only.
    clip_pretrained : str, path-like, True or None, default="openai"
        Weights of that model, as in `CLIPFeatures`.
    clip_views : int, default=0
        Augmented views of every image that are made and embedded before training, which
        then draws from them, pixels and features alike; half of them for either view of
        a pair, so at least 2. 0: the features are those of the clean image, and only
        pixels are augmented. A view of n images costs what embedding n images costs;
        with `clip` naming a model. Your own augmentation sees images of full size then.
    image_tokens : bool, default=True
        Whether pixels are looked at. Without them (and with `clip`) the features are
        all there is: much faster.
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        What an image must agree with: an augmentation of itself, or of one of its
        nearest neighbours. ``"auto"``: neighbours with `clip`, and for grey images and
        strips, where pixels tell likeness; else augmentations. With `clip`,
        augmentations of one image are too easy to tell from others: the feature gives
        them away.
    neighbor_space : {"auto", "clip", "pixels", "embedding"}, default="auto"
        Where neighbours are sought: by the angle between features, or by pixels
        (averaged down to 16 a side), once; or by the network's own embedding, again
        every `neighbor_refresh` epochs (before the first search, positives are
        augmentations). ``"auto"``: features if there are any, else pixels.
    n_neighbors : int or "auto", default="auto"
        Neighbours of each image; at most half of ``n_samples / n_clusters`` are used.
        ``"auto"``: 5 by features, else 10.
    neighbor_refresh : int, default=5
        Epochs between two searches in the embedding.
    n_cluster_heads : int, default=4
        Cluster heads that shape the embedding together.
    assignment : {"mixture", "head"}, default="mixture"
        What labels an embedding: a Gaussian mixture of balanced parts
        (`sklearn_mfavb.readout.MixtureReadout`), fitted when training is over; or the
        cluster head that contrasts clusters best on the training images and their
        neighbours.
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    cluster_temperature : float, default=1.0
        Temperature of the contrast between clusters.
    instance_weight, cluster_weight : float, default=1.0
        Weights of the two contrasts in the loss.
    balance_weight : float, default=1.0
        Weight of the term that keeps clusters equally large, and (up to 1) of equal
        sizes in the mixture. Lower it if the true clusters are of very different sizes;
        raise it if clusters stay empty.
    information_weight : float, default=0.5
        Weight of the mutual information between the clusters of positives (TEMI, [3]_).
    augmentation : str, callable or tuple of two callables, default="auto"
        How views are made: ``"photographs"``, ``"aerial"``, ``"characters"``,
        ``"none"``, or your own. A callable takes and returns a float tensor of shape
        (batch_size, n_channels, height, width) with values in [0, 1]; a tuple has one
        for each view. ``"auto"``: ``"characters"`` for grey images, ``"none"`` for
        strips, else ``"photographs"``.
    feature_augmentation : {"auto", "none"} or callable, default="auto"
        How the features of views are perturbed: ``"auto"`` drops half of the entries
        after adding noise. A callable takes and returns a float tensor of shape
        (batch_size, feature_dim), centred, with a mean square of 1 in every row.
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
    max_epochs : int or "auto", default="auto"
        Passes over the images. ``"auto"``: 40; with `clip`, as many as make 400 steps,
        but at least 10.
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
        are always in float32. ``"auto"``: bfloat16 on CUDA devices and x86 CPUs that
        multiply it natively, else float32.
    callbacks : list of skorch callbacks, default=None
        Added to our own; instances or pairs (name, callback). There is no validation
        loss: `EarlyStopping` needs ``monitor="train_loss"``.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 prints a table of all losses per epoch.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`. The same seed gives the same labels on the
        same kind of device and versions; torch's and NumPy's global states are left
        alone.

    Attributes
    ----------
    labels_ : ndarray of int64 of shape (n_samples,)
        Cluster of every image passed to `fit`; -1 for skipped files.
    n_iter_ : int
        Number of epochs run.
    history_ : list of dict
        One dict per epoch: ``epoch``, ``loss``, ``instance_loss``, ``cluster_loss``,
        ``balance_loss``, ``information_loss`` (weighted; they add up to ``loss``) and
        ``seconds``.
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
    readout_ : torch.nn.Module
        From embeddings to probabilities of the clusters.
    clip_extractor_ : CLIPFeatures
        What computes features, if `clip` names a model.
    clip_encoder_ : Encoder
        The frozen encoder, if `clip` names one.
    feature_mean_ : ndarray of float32 of shape (feature_dim,)
        Mean of the normalised features of the training images, if `clip` is not None.

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
    .. [3] Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
       Pretrained Models", BMVC 2023, arXiv:2303.17896.

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
        "image_tokens": ["boolean"],
        "neighbor_space": [StrOptions({"auto", "clip", "pixels", "embedding"})],
        "n_neighbors": _AUTO_COUNT,
        "neighbor_refresh": [Interval(Integral, 1, None, closed="left")],
        "instance_temperature": _TEMPERATURE,
        "cluster_temperature": _TEMPERATURE,
        "instance_weight": _WEIGHT,
        "cluster_weight": _WEIGHT,
        "information_weight": _WEIGHT,
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
        clip: str | CLIPFeatures | None = None,
        clip_pretrained: Any = "openai",
        clip_views: int = 0,
        image_tokens: bool = True,
        positives: Literal["auto", "augmentation", "neighbors"] = "auto",
        neighbor_space: Literal["auto", "clip", "pixels", "embedding"] = "auto",
        n_neighbors: int | Literal["auto"] = "auto",
        neighbor_refresh: int = 5,
        n_cluster_heads: int = 4,
        assignment: Literal["mixture", "head"] = "mixture",
        instance_temperature: float = 0.5,
        cluster_temperature: float = 1.0,
        instance_weight: float = 1.0,
        cluster_weight: float = 1.0,
        balance_weight: float = 1.0,
        information_weight: float = 0.5,
        augmentation: Any = "auto",
        feature_augmentation: Any = "auto",
        image_size: int | tuple[int, int] | Literal["auto"] = "auto",
        image_shape: tuple[int, ...] | None = None,
        channel_axis: Literal[1, -1] | None = None,
        pixel_range: tuple[float, float] | Literal["auto", "data"] = "auto",
        on_error: Literal["raise", "skip"] = "raise",
        max_epochs: int | Literal["auto"] = "auto",
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
        self.clip = clip
        self.clip_pretrained = clip_pretrained
        self.clip_views = clip_views
        self.image_tokens = image_tokens
        self.positives = positives
        self.neighbor_space = neighbor_space
        self.n_neighbors = n_neighbors
        self.neighbor_refresh = neighbor_refresh
        self.n_cluster_heads = n_cluster_heads
        self.assignment = assignment
        self.instance_temperature = instance_temperature
        self.cluster_temperature = cluster_temperature
        self.instance_weight = instance_weight
        self.cluster_weight = cluster_weight
        self.balance_weight = balance_weight
        self.information_weight = information_weight
        self.augmentation = augmentation
        self.feature_augmentation = feature_augmentation
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
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> FusingAugmentingViT:
        """Build the chain of fusing-augmenting blocks."""
        if feature_dim is None and not self.image_tokens:
            raise ValueError(
                "image_tokens=False leaves the network nothing but features, and "
                "clip=None computes none: name a model, such as clip='ViT-B-32'."
            )
        vit = resolve_vit_size(
            size,
            patch_size=self.patch_size,
            embed_dim=self.embed_dim,
            n_heads=self.n_heads,
            n_blocks=self.n_blocks,
            shared_depth=self.shared_depth,
            fused_depth=self.fused_depth,
            most_tokens=_MOST_TOKENS if feature_dim is None else _MOST_TOKENS_WITH_CLIP,
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
            feature_dim=feature_dim,
            image_tokens=self.image_tokens,
        )

    def _make_contrast(self, first: Augmentation, second: Augmentation) -> Contrast:
        """Contrast across two fused pairs, or within one."""
        return CONTRASTS[self.contrast](first, second)

    def _make_objective(self) -> ContrastiveObjective:
        """Weigh instance contrast, cluster contrast, balance and information."""
        return ContrastiveObjective(
            instance_temperature=self.instance_temperature,
            cluster_temperature=self.cluster_temperature,
            instance_weight=self.instance_weight,
            cluster_weight=self.cluster_weight,
            balance_weight=self.balance_weight,
            information_weight=self.information_weight,
        )

    def _arrange_positives(self, dataset: ImageDataset) -> list[tuple[str, Callback]]:
        """Seek neighbours now by features or pixels, or while training."""
        if self._resolve_positives(dataset) == "augmentation" or len(dataset) == 1:
            return []
        space = self._resolve_neighbor_space(dataset)
        wanted = self.n_neighbors
        if wanted == "auto":
            wanted = _CLIP_NEIGHBORS if space == "clip" else _NEIGHBORS
        n_neighbors = limit_neighbors(wanted, len(dataset), self.n_clusters)
        if space == "embedding":
            batch_size = self._resolve_batch_size(len(dataset))
            find = EmbeddingNeighbors(n_neighbors, batch_size, self.image_tokens)
            return [("neighbors", RefreshNeighbors(find, self.neighbor_refresh))]
        dataset.neighbors = _FIND_NEIGHBORS[space](dataset, n_neighbors)
        return []

    def _resolve_positives(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: pixels show neighbours of grey images, not of photos."""
        if self.positives != "auto":
            return self.positives
        tells_likeness = dataset.features is not None or dataset.source.n_channels == 1
        return "neighbors" if tells_likeness else "augmentation"

    def _resolve_neighbor_space(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: features tell more than pixels."""
        if self.neighbor_space == "clip" and dataset.features is None:
            raise ValueError(
                "neighbor_space='clip' seeks neighbours by features, but clip=None: "
                "name a model, such as clip='ViT-B-32', or another space."
            )
        if self.neighbor_space != "auto":
            return self.neighbor_space
        return "pixels" if dataset.features is None else "clip"

    @property
    def _sees_images(self) -> bool:
        """Whether the network looks at pixels."""
        return self.image_tokens
