"""The base of all augmentations: draw parameters per image, then apply them."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

#: Height or width, in pixels, below which neighboring pixels mean too little to
#: be mirrored, cropped or blurred.
MINIMUM_SIDE = 4


class Transform(ABC):
    """Change every image of a batch by its own random parameters.

    A transform holds settings only, never state: it can be pickled, copied and
    shared. Randomness comes from torch's global generator on the device of the
    batch, so ``torch.random.fork_rng`` around a call makes it reproducible.

    Subclasses write ``apply`` and, if they are random, ``draw``.
    """

    # Least and largest value of a setting, or of both ends of one that is a range.
    _limits: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for a setting out of its limits (NaN is outside)."""
        for name, (low, high) in self._limits.items():
            value = getattr(self, name)
            if isinstance(value, tuple | list):
                is_right = low < value[0] <= value[1] <= high
                ends = f"(start, stop) with {low:g} < start <= stop <= {high:g}"
            else:
                is_right, ends = low <= value <= high, f"in [{low:g}, {high:g}]"
            if not is_right:
                raise ValueError(f"`{name}` must be {ends}, got {value!r}.")

    def draw(self, images: Tensor) -> Any:
        """Draw parameters of shape (batch_size,); pixel values are never read."""
        return ()

    @abstractmethod
    def apply(self, images: Tensor, parameters: Any) -> Tensor:
        """Return other images in [0, 1]; the same parameters give the same output."""

    def __call__(self, images: Tensor) -> Tensor:
        """Draw parameters for a batch and apply them."""
        return self.apply(images, self.draw(images))


def draw_uniform(images: Tensor, low: float, high: float) -> Tensor:
    """Draw one number in [low, high) per image, on the device of the images."""
    return images.new_empty(len(images)).uniform_(low, high)


def draw_events(images: Tensor, probability: float) -> Tensor:
    """Draw one boolean per image, true with the given probability."""
    drawn = torch.rand(len(images), dtype=torch.float32, device=images.device)
    return drawn < probability


def per_image(values: Tensor) -> Tensor:
    """Give values of shape (batch_size,) the axes that broadcast over images."""
    return values[:, None, None, None]


def is_picture(images: Tensor) -> bool:
    """Whether both sides are long enough for neighborhoods to mean anything."""
    return min(images.shape[-2:]) >= MINIMUM_SIDE


@dataclass(frozen=True)
class Identity(Transform):
    """Return the images as they are."""

    def apply(self, images: Tensor, parameters: Any) -> Tensor:
        """Return the images."""
        return images


class Compose(Transform):
    """Apply several transforms one after another.

    Parameters
    ----------
    *transforms : Transform
        The steps, first to last, which the attribute `transforms` holds.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import AffineCrop, Compose, Grayscale
    >>> augment = Compose(AffineCrop(), Grayscale(probability=0.2))
    >>> augment(torch.rand(4, 3, 16, 16)).shape
    torch.Size([4, 3, 16, 16])
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def draw(self, images: Tensor) -> tuple[Any, ...]:
        """Draw the parameters of every step; no step may change the shape."""
        return tuple(transform.draw(images) for transform in self.transforms)

    def apply(self, images: Tensor, parameters: tuple[Any, ...]) -> Tensor:
        """Apply the steps in order."""
        for transform, drawn in zip(self.transforms, parameters, strict=True):
            images = transform.apply(images, drawn)
        return images

    def __repr__(self) -> str:
        """Return the constructing expression."""
        return f"Compose({', '.join(map(repr, self.transforms))})"


class UserTransform(Transform):
    """Call the user's function or module, and check the shape of what it returns.

    Its randomness, if any, is its own: nothing is drawn here, so replaying parameters
    replays nothing. It is given a copy of the images and may work in place. A module is
    deep-copied, follows the device of the images and is run without gradients.

    Parameters
    ----------
    function : callable or torch.nn.Module
        From a batch of images in [0, 1] to a batch of the same shape.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        is_module = isinstance(function, torch.nn.Module)
        self.function = copy.deepcopy(function) if is_module else function

    @torch.no_grad()
    def apply(self, images: Tensor, parameters: Any) -> Tensor:
        """Return the user's images, or raise ValueError if they cannot be a view."""
        if isinstance(self.function, torch.nn.Module):
            self.function.to(images.device)
        # The other view, and the image itself, are made of the same tensor.
        view = self.function(images.clone())
        if not isinstance(view, Tensor):
            seen = f"a {type(view).__name__}"
        elif view.shape != images.shape or not view.is_floating_point():
            seen = f"shape {tuple(view.shape)} of {view.dtype}"
        else:
            return view.to(images)
        raise ValueError(
            "`augmentation` must return a float tensor of the shape it was given, "
            f"{tuple(images.shape)}, but {self.function!r} returned {seen}."
        )

    def __repr__(self) -> str:
        """Return the constructing expression."""
        return f"UserTransform({self.function!r})"
