"""The augmentations of a fit: how views of images and of features are drawn."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor
from torch.nn import functional

from sklearn_mfavb.augmentation import (
    AUGMENTATIONS,
    FeatureNoise,
    Identity,
    Transform,
    UserTransform,
    ViewAugmentation,
    ViewBank,
    make_views,
)
from sklearn_mfavb.features import CLIPFeatures, FrozenEncoder
from sklearn_mfavb.images import ImageDataset, ImageSource
from sklearn_mfavb.pairs import Augment
from sklearn_mfavb.parameters import ParameterGroup
from sklearn_mfavb.views import unit_pixels

_BLOCK = 64  # images that are read at full size and embedded at once


class Augmentation(ParameterGroup):
    """How views are drawn.

    Parameters
    ----------
    images : str, callable or tuple of two callables, default="auto"
        Augmentation of the pixels: ``"photographs"``, ``"aerial"``, ``"characters"``,
        ``"none"``, those of a paper (``"cc"``, ``"vtcc"``), or your own. A callable
        takes and returns a float tensor of shape (batch_size, n_channels, height,
        width) with values in [0, 1]; a tuple has one for each view. ``"auto"``:
        ``"characters"`` for gray images, else ``"photographs"``.
    features : {"auto", "noise", "none"} or callable, default="auto"
        Augmentation of the features: ``"noise"`` adds noise and drops half of the
        entries, and of several encoders it leaves most views only some. A callable
        takes and returns a float tensor of shape (batch_size, n_features), centered,
        with a mean square of 1 in every row. ``"auto"``: what the method was made for,
        mostly ``"noise"``.
    encoded_views : int, default=0
        Augmented views of every image that are encoded before training, which then
        draws from them, pixels and features alike; half of them for either view of a
        pair, so at least 2. 0: features are those of the clean image. Encoding k views
        takes k times as long; `encoder` has to be given by name or as `CLIPFeatures`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "images": [StrOptions({"auto", *AUGMENTATIONS}), callable, tuple],
        "features": [StrOptions({"auto", "noise", "none"}), callable],
        "encoded_views": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        images: Any = "auto",
        *,
        features: Any = "auto",
        encoded_views: int = 0,
    ) -> None:
        self.images = images
        self.features = features
        self.encoded_views = encoded_views


def make_augmentations(
    augmentation: Any,
    dataset: ImageDataset,
    encoders: Sequence[FrozenEncoder],
    *,
    auto_features: str = "noise",
) -> tuple[Augment, Augment]:
    """Build the augmentations of both views of a pair.

    Parameters
    ----------
    augmentation : Augmentation, str, callable or tuple of two callables
        The parameter of an estimator; anything but an `Augmentation` augments pixels.
    dataset : ImageDataset
        The images.
    encoders : sequence of FrozenEncoder
        What computed the features.
    auto_features : {"noise", "none"}, default="noise"
        Augmentation of features that the method was made for.

    Returns
    -------
    tuple of two callables
        From a clean view to an augmented one.
    """
    augmentation = as_augmentation(augmentation)
    perturb = _feature_augmentation(augmentation.features, auto_features, encoders)
    if augmentation.encoded_views:
        return _make_banks(augmentation, dataset, encoders, perturb)
    if dataset.source is None or dataset.size is None:
        without_pixels = ViewAugmentation(Identity(), perturb)
        return without_pixels, without_pixels
    views = draw_image_views(augmentation, dataset.source, dataset.size)
    first, second = (ViewAugmentation(view, perturb) for view in views)
    return first, second


def _feature_augmentation(
    features: Any, auto: str, encoders: Sequence[FrozenEncoder]
) -> Callable[[Tensor], Tensor]:
    """Build the augmentation of features."""
    if not isinstance(features, str):
        return UserTransform(features)
    choice = auto if features == "auto" else features
    if choice == "none":
        return Identity()
    return FeatureNoise(leading=_leading_columns(encoders))


def _leading_columns(encoders: Sequence[FrozenEncoder]) -> slice | None:
    """Find the features of the encoder of largest weight; None if it is the only one.

    Features that are put side by side follow the order of the encoders.
    """
    if len(encoders) < 2:
        return None
    leading = max(range(len(encoders)), key=lambda i: encoders[i].weight)
    start = sum(encoder.feature_dim for encoder in encoders[:leading])
    return slice(start, start + encoders[leading].feature_dim)


def as_augmentation(augmentation: Any) -> Augmentation:
    """Return an `Augmentation` for its short forms too, which augment pixels."""
    if isinstance(augmentation, Augmentation):
        return augmentation
    return Augmentation(augmentation)


def draw_image_views(
    augmentation: Augmentation, source: ImageSource, size: tuple[int, int]
) -> tuple[Transform, Transform]:
    """Return what draws the pixels of both views of images of a size."""
    images = augmentation.images
    if isinstance(images, str) and images == "auto":
        images = "characters" if source.n_channels == 1 else "photographs"
    return make_views(images, size)


def _make_banks(
    augmentation: Augmentation,
    dataset: ImageDataset,
    encoders: Sequence[FrozenEncoder],
    perturb: Callable[[Tensor], Tensor],
) -> tuple[ViewBank, ViewBank]:
    """Encode augmented views, half of them for the first view of a pair."""
    n_views = augmentation.encoded_views
    if n_views == 1:
        raise ValueError(
            "encoded_views=1 leaves nothing for the second view of a pair: set it to 2 "
            "or more, or to 0."
        )
    are_ours = [isinstance(each.transformer, CLIPFeatures) for each in encoders]
    if dataset.source is None or not are_ours or not all(are_ours):
        raise ValueError(
            f"encoded_views={n_views} encodes augmented images, which needs encoders "
            "given by name or as CLIPFeatures, such as encoder='ViT-B-32'. Or set "
            "encoded_views=0."
        )
    full_size = dataset.source.image_size
    views = draw_image_views(augmentation, dataset.source, full_size)
    counts = n_views - n_views // 2, n_views // 2
    first, second = (
        ViewBank(*_encode_views(dataset, view, n, encoders), perturb)
        for view, n in zip(views, counts, strict=True)
    )
    return first, second


@torch.no_grad()
def _encode_views(
    dataset: ImageDataset, augment: Any, n_views: int, encoders: Sequence[FrozenEncoder]
) -> tuple[Tensor | None, Tensor]:
    """Augment every image several times at full size, encode that, and keep it small.

    Returns images of shape (n_views, n_samples, n_channels, height, width), as bytes,
    or None without pixels; and features of shape (n_views, n_samples, n_features).
    """
    source, images, features = dataset.source, [], []
    assert source is not None
    for _ in range(n_views):
        for positions in torch.arange(len(dataset)).split(_BLOCK):
            clean = source.read(dataset.indices[positions.numpy()], source.image_size)
            view = augment(unit_pixels(clean))
            rows = [torch.from_numpy(each.embed(view)) for each in encoders]
            features.append(torch.cat(rows, dim=1))
            if dataset.size is not None:
                images.append(_shrink(view, dataset.size))
    shape = (n_views, len(dataset))
    all_features = torch.cat(features).unflatten(0, shape)
    return (torch.cat(images).unflatten(0, shape) if images else None), all_features


def _shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Reduce images in [0, 1] to bytes of a height and width."""
    small = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
    return small.clamp(0, 1).mul(255).round().to(torch.uint8)
