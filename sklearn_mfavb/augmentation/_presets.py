"""The named pairs of augmentations, and how a user's own become a pair."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from sklearn_mfavb.augmentation._blur import GaussianBlur
from sklearn_mfavb.augmentation._color import ColorJitter, Grayscale, Solarize
from sklearn_mfavb.augmentation._geometry import AffineCrop
from sklearn_mfavb.augmentation._transform import (
    Compose,
    Identity,
    Transform,
    UserTransform,
)

ImageSize = tuple[int, int]
Views = tuple[Transform, Transform]
ImageFunction = Callable[[Tensor], Tensor]

_SIMCLR_JITTER = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)


def photographs(image_size: ImageSize) -> Views:
    """Return the views of SimCLR, the second solarized at times as in BYOL."""
    crop = AffineCrop(scale=(0.08 if _is_large(image_size) else 0.2, 1.0))
    return _natural_views(crop, _SIMCLR_JITTER, *_blur_of(image_size))


def aerial(image_size: ImageSize) -> Views:
    """Return views for pictures from above: no side is up, and colors mean more."""
    crop = AffineCrop(
        scale=(0.3, 1.0), vertical_flip_probability=0.5, quarter_turns=True
    )
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.05)
    return _natural_views(crop, jitter, *_blur_of(image_size))


def characters(image_size: ImageSize) -> Views:
    """Return views for digits, letters and clothes: a mirrored 3 is not a 3."""
    crop = AffineCrop(
        scale=(0.85, 1.0),
        horizontal_flip_probability=0.0,
        max_rotation=10.0,
        max_shear=5.0,
        max_shift=0.06,
    )
    augment = Compose(crop, ColorJitter(brightness=0.3, contrast=0.3))
    return augment, augment


def cc(image_size: ImageSize) -> Views:
    """Return the views of CC (arXiv 2009.09687) for its ImageNet subsets."""
    jitter = ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
    augment = Compose(AffineCrop(), jitter, Grayscale(), GaussianBlur())
    return augment, augment


def vtcc(image_size: ImageSize) -> Views:
    """Return the views of VTCC (arXiv 2206.12925): always blurred, in any size."""
    return _natural_views(AffineCrop(), _SIMCLR_JITTER, GaussianBlur(probability=1.0))


def none(image_size: ImageSize) -> Views:
    """Return views that are the images themselves."""
    return Identity(), Identity()


def _natural_views(crop: AffineCrop, jitter: ColorJitter, *blur: GaussianBlur) -> Views:
    """Return crop, color and blur; the second view adds solarizing."""
    first = Compose(crop, jitter, Grayscale(), *blur)
    return first, Compose(*first.transforms, Solarize())


def _is_large(image_size: ImageSize) -> bool:
    """Whether an object outlives blur, and crops of a few pixels."""
    return min(image_size) >= 64


def _blur_of(image_size: ImageSize) -> tuple[GaussianBlur, ...]:
    """Return the blur of large pictures."""
    return (GaussianBlur(),) if _is_large(image_size) else ()


#: Name of a preset -> function from (height, width) to the transforms of both views.
AUGMENTATIONS: Mapping[str, Callable[[ImageSize], Views]] = {
    "photographs": photographs,
    "aerial": aerial,
    "characters": characters,
    "cc": cc,
    "vtcc": vtcc,
    "none": none,
}


def make_views(
    augmentation: str | ImageFunction | tuple[ImageFunction, ImageFunction],
    image_size: ImageSize,
) -> Views:
    """Return the transforms of the first and of the second view.

    Parameters
    ----------
    augmentation : str, callable or pair of callables
        A name in `AUGMENTATIONS`; or a function or module from float images of shape
        (batch_size, n_channels, height, width) in [0, 1] to images of the same shape,
        used for both views; or a pair of those, one per view. A
        :class:`torch.nn.Module` is deep-copied, never modified.
    image_size : tuple of int
        Height and width of the images, in pixels.

    Returns
    -------
    first, second : Transform
        Callables on batches of images. The user's own raise ValueError, when called,
        if what comes back is not a float tensor of the same shape.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import make_views
    >>> first, second = make_views("photographs", (32, 32))
    >>> first(torch.rand(8, 3, 32, 32)).shape
    torch.Size([8, 3, 32, 32])
    """
    if isinstance(augmentation, str):
        if augmentation not in AUGMENTATIONS:
            names = ", ".join(map(repr, AUGMENTATIONS))
            raise ValueError(
                f"`augmentation` must be one of {names} or a callable, "
                f"got {augmentation!r}."
            )
        return AUGMENTATIONS[augmentation](image_size)
    is_pair = isinstance(augmentation, tuple | list)
    pair: Any = augmentation if is_pair else (augmentation, augmentation)
    if len(pair) != 2 or not all(map(callable, pair)):
        raise TypeError(
            "`augmentation` must be a name, a callable or a pair of callables, "
            f"got {augmentation!r} of type {type(augmentation).__name__}."
        )
    first, second = (
        each if isinstance(each, Transform) else UserTransform(each) for each in pair
    )
    return first, second
