"""What a network sees of an image: its pixels, features of another network, or both."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class ViewShape:
    """What one view of an image consists of.

    Attributes
    ----------
    image_size : tuple of int or None
        Height and width in pixels; None if the network does not look at pixels.
    n_channels : int
        Channels of the image; 0 without pixels.
    feature_dims : tuple of int
        Number of features of each encoder, in the order of the columns of
        `View.features`; empty without encoders.
    """

    image_size: tuple[int, int] | None
    n_channels: int
    feature_dims: tuple[int, ...] = ()


class View(NamedTuple):
    """One view of every image of a batch.

    Attributes
    ----------
    images : torch.Tensor of shape (batch_size, n_channels, height, width) or None
        Pixels.
    features : torch.Tensor of shape (batch_size, n_features) or None
        Features of frozen encoders, such as CLIP's, side by side.
    position : torch.Tensor of shape (batch_size,) or None
        Which images of the data set these are, for what is kept of each.
    """

    images: Tensor | None
    features: Tensor | None = None
    position: Tensor | None = None

    @property
    def n_rows(self) -> int:
        """Number of images."""
        return next(len(part) for part in self if part is not None)

    def stack(self, other: "View") -> "View":
        """Put the batch of another view below this one."""
        return View(*(_stack(mine, its) for mine, its in zip(self, other, strict=True)))


def unit_pixels(images: Tensor) -> Tensor:
    """Bring 8-bit images to floats in [0, 1]; floats pass unchanged."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def _stack(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Concatenate two batches, if there are two."""
    if first is None and second is None:
        return None
    if first is None or second is None:
        raise ValueError("One of two views to be stacked lacks what the other has.")
    return torch.cat([first, second])
