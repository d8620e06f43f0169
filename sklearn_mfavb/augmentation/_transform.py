"""The base of all augmentations: draw parameters per image, then apply them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

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
