"""Chains of transforms, the empty one, and the user's own callables."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from sklearn_mfavb.augmentation._transform import Transform


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
