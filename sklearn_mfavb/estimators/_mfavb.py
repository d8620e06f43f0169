"""MFAVBClustering: contrastive clustering with fusing-augmenting ViT blocks."""

import math
from numbers import Integral
from typing import ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.backbones import FusingAugmentingViT
from sklearn_mfavb.contrast import CONTRASTS, Augmentation, Contrast
from sklearn_mfavb.estimators._contrastive_base import BaseContrastiveClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._vit_sizes import ViTSizes

_AUTO_DEPTH = [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")]
_SHARED_ALONE, _FUSED_ALONE = 2, 0  # layers of a block without pixels to look at


@estimator
class MFAVBClustering(BaseContrastiveClusterer, ViTSizes):
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
        pixels, else 2; 2 where pixels are not looked at.
    fused_depth : int or "auto", default="auto"
        Layers of each block that see both views of a pair; 0 turns fusion off.
        ``"auto"``: 1 for images up to 64 pixels, else 2; 0 where pixels are not looked
        at, as fusing features alone made labels of different seeds differ more.
    contrast : {"auto", "across_pairs", "within_pair"}, default="auto"
        What is contrasted. ``"across_pairs"``: two fused pairs per image, and each half
        with the matching half of the other pair, which it has not seen; `batch_size`
        ``"auto"`` is then half of what it says, which makes as many views in a step.
        ``"within_pair"``: the two halves of one pair, the literal reading of the paper;
        with fusion the halves have read each other, and little is learned. ``"auto"``:
        across pairs if views are fused, else within one, at half the cost.
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
    contrast: Literal["auto", "across_pairs", "within_pair"] = "auto"
    information_weight: float = 0.5

    _parameter_constraints: ClassVar[dict] = {
        **BaseContrastiveClusterer._parameter_constraints,
        **ViTSizes._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "shared_depth": _AUTO_DEPTH,
        "fused_depth": _AUTO_DEPTH,
        "contrast": [StrOptions({"auto", *CONTRASTS})],
    }

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> FusingAugmentingViT:
        """Build the chain of fusing-augmenting blocks."""
        vit = self._resolve_vit_size(
            size,
            n_blocks=self.n_blocks,
            shared_depth=self._resolve_depth(self.shared_depth, _SHARED_ALONE),
            fused_depth=self._resolve_depth(self.fused_depth, _FUSED_ALONE),
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

    def _resolve_depth(
        self, depth: int | Literal["auto"], alone: int
    ) -> int | Literal["auto"]:
        """Replace ``"auto"`` where features stand alone; else images decide."""
        return alone if depth == "auto" and not self._sees_images else depth

    def _make_contrast(self, first: Augmentation, second: Augmentation) -> Contrast:
        """Contrast across two fused pairs, or within one."""
        return CONTRASTS[self._resolve_contrast()](first, second)

    def _resolve_contrast(self) -> str:
        """Replace ``"auto"``: fused views have seen their partner."""
        if self.contrast != "auto":
            return self.contrast
        depth = self._resolve_depth(self.fused_depth, _FUSED_ALONE)
        # A function may build a network that fuses; those of timm do not.
        is_fused = depth != 0 if self.backbone == "auto" else callable(self.backbone)
        return "across_pairs" if is_fused else "within_pair"

    def _resolve_batch_size(self, n_samples: int) -> int:
        """Replace ``"auto"``: two pairs of an image are as many views as two images."""
        batch_size = super()._resolve_batch_size(n_samples)
        if self.batch_size != "auto" or self._resolve_contrast() == "within_pair":
            return batch_size
        return math.ceil(batch_size / 2)
