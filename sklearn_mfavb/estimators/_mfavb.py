"""MFAVBClustering: contrastive clustering with fusing-augmenting ViT blocks."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sklearn_mfavb.backbones import FusingAugmentingViT, resolve_vit_size
from sklearn_mfavb.contrast import CONTRASTS, Augmentation, Contrast
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._positives import (
    EmbeddingNeighbors,
    feature_neighbors,
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

_MOST_TOKENS, _MOST_TOKENS_WITH_CLIP = 64, 16
_NEIGHBORS, _CLIP_NEIGHBORS = 10, 5
_FIND_NEIGHBORS = {"clip": feature_neighbors, "pixels": pixel_neighbors}


@estimator
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
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    cluster_temperature : float, default=1.0
        Temperature of the contrast between clusters.
    instance_weight, cluster_weight : float, default=1.0
        Weights of the two contrasts in the loss.
    information_weight : float, default=0.5
        Weight of the mutual information between the clusters of positives (TEMI, [3]_).

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

    n_blocks: int = 2
    shared_depth: int | Literal["auto"] = "auto"
    fused_depth: int | Literal["auto"] = "auto"
    embed_dim: int | Literal["auto"] = "auto"
    n_heads: int | Literal["auto"] = "auto"
    patch_size: int | Literal["auto"] = "auto"
    contrast: Literal["across_pairs", "within_pair"] = "across_pairs"
    positives: Literal["auto", "augmentation", "neighbors"] = "auto"
    neighbor_space: Literal["auto", "clip", "pixels", "embedding"] = "auto"
    n_neighbors: int | Literal["auto"] = "auto"
    neighbor_refresh: int = 5
    instance_temperature: float = 0.5
    cluster_temperature: float = 1.0
    instance_weight: float = 1.0
    cluster_weight: float = 1.0
    information_weight: float = 0.5

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
        "neighbor_space": [StrOptions({"auto", "clip", "pixels", "embedding"})],
        "n_neighbors": _AUTO_COUNT,
        "neighbor_refresh": [Interval(Integral, 1, None, closed="left")],
        "instance_temperature": _TEMPERATURE,
        "cluster_temperature": _TEMPERATURE,
        "instance_weight": _WEIGHT,
        "cluster_weight": _WEIGHT,
        "information_weight": _WEIGHT,
    }

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> FusingAugmentingViT:
        """Build the chain of fusing-augmenting blocks."""
        if feature_dim is None and not self._sees_images:
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
            image_tokens=self._sees_images,
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
            find = EmbeddingNeighbors(n_neighbors, batch_size, self._sees_images)
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
