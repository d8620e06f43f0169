"""The augmenting part of every estimator: how views of the images are made."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklearn_mfavb.augmentation import (
    AUGMENTATIONS,
    FeatureNoise,
    Identity,
    UserTransform,
    ViewAugmentation,
    ViewBank,
    make_views,
)
from sklearn_mfavb.contrast import Augmentation
from sklearn_mfavb.estimators._bank import embed_views
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._labelling import ImageLabeler
from sklearn_mfavb.images import ImageDataset


@estimator
class ViewMaker(ImageLabeler):
    """Parameters and methods that say how images and features are augmented.

    Parameters
    ----------
    augmentation : str, callable or tuple of two callables, default="auto"
        How views are made: ``"photographs"``, ``"aerial"``, ``"characters"``,
        ``"none"``, those of a paper (``"cc"``, ``"vtcc"``), or your own. A callable
        takes and returns a float tensor of shape (batch_size, n_channels, height,
        width) with values in [0, 1]; a tuple has one for each view. ``"auto"``:
        ``"characters"`` for grey images, ``"none"`` for strips, else
        ``"photographs"``.
    feature_augmentation : {"auto", "none"} or callable, default="auto"
        How the features of views are perturbed: ``"auto"`` drops half of the entries
        after adding noise. A callable takes and returns a float tensor of shape
        (batch_size, feature_dim), centred, with a mean square of 1 in every row.
    clip_views : int, default=0
        Augmented views of every image that are made and embedded before training, which
        then draws from them, pixels and features alike; half of them for either view of
        a pair, so at least 2. 0: the features are those of the clean image, and only
        pixels are augmented. A view of n images costs what embedding n images costs;
        with `clip` naming a model. Your own augmentation sees images of full size then.
    """

    _holds_clean_images: ClassVar[bool] = False  # whether views are held against them

    augmentation: Any = "auto"
    feature_augmentation: Any = "auto"
    clip_views: int = 0

    _parameter_constraints: ClassVar[dict] = {
        **ImageLabeler._parameter_constraints,
        "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), callable, tuple],
        "feature_augmentation": [StrOptions({"auto", "none"}), callable],
        "clip_views": [Interval(Integral, 0, None, closed="left")],
    }

    def _make_augmentations(
        self, dataset: ImageDataset
    ) -> tuple[Augmentation, Augmentation]:
        """Build the augmentations of both views."""
        perturb = self._make_feature_augmentation()
        if self.clip_views:
            return self._make_banks(dataset, perturb)
        views = make_views(self._resolve_augmentation(dataset), dataset.size)
        first, second = (ViewAugmentation(view, perturb) for view in views)
        return first, second

    def _make_banks(
        self, dataset: ImageDataset, perturb: Callable[[Tensor], Tensor]
    ) -> tuple[ViewBank, ViewBank]:
        """Embed augmented views, half of them for the first view of a pair."""
        if self.clip_views == 1:
            raise ValueError(
                "clip_views=1 leaves nothing for the second view of a pair: set it to "
                "2 or more, or to 0."
            )
        if not hasattr(self, "clip_encoder_"):
            raise ValueError(
                f"clip_views={self.clip_views} embeds augmented images, but "
                f"clip={self.clip!r} has no encoder: name a model, such as "
                "clip='ViT-B-32', or set clip_views=0."
            )
        full_size = dataset.source.image_size
        views = make_views(self._resolve_augmentation(dataset), full_size)
        n_second = self.clip_views // 2
        n_views = self.clip_views - n_second, n_second
        first, second = (
            ViewBank(
                *embed_views(
                    dataset,
                    view,
                    n,
                    self._embed_augmented,
                    keep_images=self._sees_images,
                ),
                perturb,
            )
            for view, n in zip(views, n_views, strict=True)
        )
        dataset.reads_images = self._sees_images and self._holds_clean_images
        return first, second

    def _make_feature_augmentation(self) -> Callable[[Tensor], Tensor]:
        """Build what perturbs the features of views."""
        if not isinstance(self.feature_augmentation, str):
            return UserTransform(self.feature_augmentation)
        return Identity() if self.feature_augmentation == "none" else FeatureNoise()

    def _resolve_augmentation(self, dataset: ImageDataset) -> Any:
        """Replace ``"auto"`` by what suits the kind of images."""
        if self.augmentation != "auto":
            return self.augmentation
        if dataset.source.image_size[0] == 1:
            return "none"
        return "characters" if dataset.source.n_channels == 1 else "photographs"
