"""The base of all augmentations: draw parameters per image, then apply them."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch

ParametersT = TypeVar("ParametersT")

#: Height or width, in pixels, below which neighboring pixels mean too little to
#: be mirrored, cropped or blurred.
MINIMUM_SIDE = 4


class Transform(ABC, Generic[ParametersT]):
    """Change every image of a batch by its own random parameters.

    A transform holds settings only, never state: it can be pickled, copied and
    shared. Randomness comes from torch's global generator on the device of the
    batch, so ``torch.random.fork_rng`` around a call makes it reproducible.

    Subclasses write ``draw`` and ``apply``.
    """

    @abstractmethod
    def draw(self, images: torch.Tensor) -> ParametersT:
        """Draw parameters of shape (batch_size,); pixel values are never read."""

    @abstractmethod
    def apply(self, images: torch.Tensor, parameters: ParametersT) -> torch.Tensor:
        """Return other images in [0, 1]; the same parameters give the same output."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Draw parameters for a batch and apply them."""
        return self.apply(images, self.draw(images))


def draw_uniform(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Draw one number in [low, high) per image, on the device of the images."""
    return images.new_empty(len(images)).uniform_(low, high)


def draw_events(images: torch.Tensor, probability: float) -> torch.Tensor:
    """Draw one boolean per image, true with the given probability."""
    drawn = torch.rand(len(images), dtype=torch.float32, device=images.device)
    return drawn < probability


def per_image(values: torch.Tensor) -> torch.Tensor:
    """Give values of shape (batch_size,) the axes that broadcast over images."""
    return values[:, None, None, None]


def is_picture(images: torch.Tensor) -> bool:
    """Whether both sides are long enough for neighborhoods to mean anything."""
    return min(images.shape[-2:]) >= MINIMUM_SIDE


def check_between(
    value: float, *, name: str, low: float = 0.0, high: float = 1.0
) -> None:
    """Raise ValueError unless low <= value <= high (NaN is outside)."""
    if not low <= value <= high:
        raise ValueError(f"`{name}` must be in [{low:g}, {high:g}], got {value!r}.")


def check_range(
    interval: tuple[float, float], *, name: str, high: float = float("inf")
) -> None:
    """Raise ValueError unless the interval satisfies 0 < start <= stop <= high."""
    start, stop = interval
    if not 0 < start <= stop <= high:
        raise ValueError(
            f"`{name}` must be (start, stop) with 0 < start <= stop <= {high:g}, "
            f"got {interval!r}."
        )


class Identity(Transform[tuple[()]]):
    """Return the images as they are."""

    def draw(self, images: torch.Tensor) -> tuple[()]:
        """Draw nothing."""
        return ()

    def apply(self, images: torch.Tensor, parameters: tuple[()]) -> torch.Tensor:
        """Return the images."""
        return images

    def __repr__(self) -> str:
        """Return the constructing expression."""
        return "Identity()"


class Compose(Transform[tuple[Any, ...]]):
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

    def __init__(self, *transforms: Transform[Any]) -> None:
        self.transforms = transforms

    def draw(self, images: torch.Tensor) -> tuple[Any, ...]:
        """Draw the parameters of every step; no step may change the shape."""
        return tuple(transform.draw(images) for transform in self.transforms)

    def apply(self, images: torch.Tensor, parameters: tuple[Any, ...]) -> torch.Tensor:
        """Apply the steps in order."""
        for transform, drawn in zip(self.transforms, parameters, strict=True):
            images = transform.apply(images, drawn)
        return images

    def __repr__(self) -> str:
        """Return the constructing expression."""
        return f"Compose({', '.join(map(repr, self.transforms))})"


class UserTransform(Transform[tuple[()]]):
    """Call the user's function or module, and check the shape of what it returns.

    Its randomness, if any, is its own: nothing is drawn here, so replaying parameters
    replays nothing. It is given a copy of the images and may work in place. A module is
    deep-copied, follows the device of the images and is run without gradients.

    Parameters
    ----------
    function : callable or torch.nn.Module
        From a batch of images in [0, 1] to a batch of the same shape.
    """

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        is_module = isinstance(function, torch.nn.Module)
        self.function = copy.deepcopy(function) if is_module else function

    def draw(self, images: torch.Tensor) -> tuple[()]:
        """Draw nothing."""
        return ()

    @torch.no_grad()
    def apply(self, images: torch.Tensor, parameters: tuple[()]) -> torch.Tensor:
        """Return the user's images, or raise ValueError if they cannot be a view."""
        if isinstance(self.function, torch.nn.Module):
            self.function.to(images.device)
        # The other view, and the image itself, are made of the same tensor.
        view = self.function(images.clone())
        if not isinstance(view, torch.Tensor):
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
