"""VTCCClustering: contrastive clustering with a vision transformer."""

from numbers import Integral
from typing import Any, ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.backbones import ConvStemViT, initialize_like_vtcc
from sklearn_mfavb.estimators._contrastive_base import BaseContrastiveClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._vit_sizes import ViTSizes


@estimator
class VTCCClustering(BaseContrastiveClusterer, ViTSizes):
    """Cluster images with a vision transformer and contrastive learning (VTCC).

    Contrastive Clustering [2]_ with a small vision transformer that has a convolutional
    stem in place of the ResNet, and three-layer heads [1]_. This is a reimplementation
    from the description of the method.

    Parameters
    ----------
    depth : int or "auto", default="auto"
        Layers of the transformer. ``"auto"``: 4 for images up to 64 pixels, else 8.
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        What an image must agree with: an augmentation of itself, or of one of its
        nearest neighbours. ``"auto"``: neighbours with `clip`, and for grey images and
        strips; else augmentations, as in the paper. With `clip` the feature gives
        augmentations of one image away.
    n_cluster_heads : int, default=1
        Cluster heads that shape the embedding together.
    assignment : {"auto", "mixture", "kmeans", "head"}, default="auto"
        What labels an embedding. ``"head"``: the cluster head, as in the paper.
        ``"mixture"``: a Gaussian mixture of balanced parts, fitted when training is
        over. ``"kmeans"``: centers of k-means, fitted then. ``"auto"``: the mixture
        with `clip`, else the head.

    See Also
    --------
    MFAVBClustering : Fuses the two views in several blocks.
    ContrastiveClustering : The same losses on a ResNet.

    Notes
    -----
    ``VTCCClustering(n_clusters, **VTCCClustering.REFERENCE)`` is the setting of the
    released code: 224 pixels (21,347,130 parameters for 10 clusters), 1000 epochs of
    Adam at a constant rate, blur in every view and solarising in the second.
    Departures: the pixels are standardised by the training images and not by ImageNet,
    both views pass in one batch, and batches are of nearly equal size where the code
    drops the last one.

    References
    ----------
    .. [1] Ling et al., "Vision Transformer for Contrastive Clustering", 2022,
       arXiv:2206.12925.
    .. [2] Li et al., "Contrastive Clustering", AAAI 2021, arXiv:2009.09687.

    Examples
    --------
    >>> from sklearn_mfavb import VTCCClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, _ = make_shape_images(60, n_clusters=3, image_size=8, random_state=0)
    >>> clusterer = VTCCClustering(3, max_epochs=2, random_state=0).fit(images)
    >>> clusterer.predict(images).shape
    (60,)
    """

    REFERENCE: ClassVar[dict[str, Any]] = {
        "image_size": 224,
        "augmentation": "vtcc",
        "batch_size": 128,
        "max_epochs": 1000,
        "learning_rate": 3e-4,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0.0,
        "random_state": 42,
        "positives": "augmentation",
        "assignment": "head",
    }

    depth: int | Literal["auto"] = "auto"
    positives: Literal["auto", "augmentation", "neighbors"] = "auto"
    n_cluster_heads: int = 1
    assignment: Literal["auto", "mixture", "kmeans", "head"] = "auto"

    _parameter_constraints: ClassVar[dict] = {
        **BaseContrastiveClusterer._parameter_constraints,
        **ViTSizes._parameter_constraints,
        "depth": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    }

    def _make_backbone(
        self, size: tuple[int, int], n_channels: int, feature_dim: int | None
    ) -> ConvStemViT:
        """Build one transformer, which sees every view alone."""
        # As deep as MFAVB's blocks together, where the image decides.
        vit = self._resolve_vit_size(
            size, n_blocks=2, shared_depth="auto", fused_depth="auto"
        )
        total = vit.n_blocks * (vit.shared_depth + vit.fused_depth)
        backbone = ConvStemViT(
            vit.grid_size,
            n_channels=n_channels,
            patch_size=vit.patch_size,
            embed_dim=vit.embed_dim,
            n_heads=vit.n_heads,
            depth=total if self.depth == "auto" else self.depth,
            feature_dim=feature_dim,
            image_tokens=self._sees_images,
        )
        return initialize_like_vtcc(backbone)
