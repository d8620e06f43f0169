"""What every augmentation is: draw parameters per image, then apply them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch

ParametersT = TypeVar("ParametersT")

#: Height or width, in pixels, below which neighbouring pixels mean too little to
#: be mirrored, cropped or blurred: a row of features is not a picture.
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
        """Draw one row of parameters per image; pixel values are never read.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Images with values in [0, 1].

        Returns
        -------
        ParametersT
            Tuple of tensors of shape (batch_size,), on the device of `images`.
        """

    @abstractmethod
    def apply(self, images: torch.Tensor, parameters: ParametersT) -> torch.Tensor:
        """Apply drawn parameters; the same parameters give the same output.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Images with values in [0, 1]; left unchanged.

        parameters : ParametersT
            What ``draw`` returned for a batch of this shape.

        Returns
        -------
        torch.Tensor of shape (batch_size, n_channels, height, width)
            Images with values in [0, 1], of the same type and device.
        """

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Draw parameters for a batch and apply them."""
        return self.apply(images, self.draw(images))


def draw_uniform(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Draw one number in [low, high) per image, on the device of the images."""
    return torch.empty(len(images), device=images.device).uniform_(low, high)


def draw_events(images: torch.Tensor, probability: float) -> torch.Tensor:
    """Draw one boolean per image, true with the given probability."""
    return torch.rand(len(images), device=images.device) < probability


def per_image(values: torch.Tensor) -> torch.Tensor:
    """Give values of shape (batch_size,) the axes that broadcast over images."""
    return values[:, None, None, None]


def is_picture(images: torch.Tensor) -> bool:
    """Tell whether both sides are long enough for neighbourhoods to mean anything."""
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
