"""Which views are made of a batch, and which of them are contrasted."""

from typing import Protocol

import torch
from torch import Tensor

from sklearn_mfavb.augmentation import Transform
from sklearn_mfavb.networks import ViewOutput, unit_pixels

Positives = list[tuple[ViewOutput, ViewOutput]]


class Contrast(Protocol):
    """Views of a batch, and the couples of outputs that must agree."""

    def draw(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Draw the two stacks of views that pass the network as pairs."""

    def positives(self, first: ViewOutput, second: ViewOutput) -> Positives:
        """Name the couples whose members must agree."""


class WithinPair:
    """Contrast the two views of one pair: CC, VTCC and the literal reading of MFAVB.

    With a fusing backbone each half has read the other through attention, so the
    instance loss falls without anything being learned about the images.

    Parameters
    ----------
    first, second : Transform
        Augmentations of the two views.

    Notes
    -----
    A batch is a dict with ``"images"`` of shape (batch_size, n_channels, height, width)
    and, where positives are neighbours, ``"partners"`` of the same shape.
    """

    def __init__(self, first: Transform, second: Transform) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Draw one pair per image; the second view shows the partner if there is one.

        Parameters
        ----------
        batch : dict of torch.Tensor

        Returns
        -------
        tuple of two torch.Tensor of shape (batch_size, n_channels, height, width)
        """
        images = unit_pixels(batch["images"])
        partners = unit_pixels(batch.get("partners", batch["images"]))
        return self.first(images), self.second(partners)

    def positives(self, first: ViewOutput, second: ViewOutput) -> Positives:
        """Couple the two halves of each pair."""
        return [(first, second)]


class AcrossPairs:
    """Contrast matching halves of two fused pairs: no half saw what it is compared to.

    For every image two pairs are formed, P = (a1, a2) of the image and Q = (b1, b2) of
    its partner (the image itself or a neighbour). Both are fused, and the loss is the
    mean over the couples (P1, Q1) and (P2, Q2). It costs one more pair per step, and it
    removes the leak of contrasting the halves of one fused pair.

    Parameters
    ----------
    first, second : Transform
        Augmentations of the first and second view of either pair.
    """

    def __init__(self, first: Transform, second: Transform) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Draw both pairs of every image, P stacked on Q.

        Parameters
        ----------
        batch : dict of torch.Tensor
            As for `WithinPair.draw`.

        Returns
        -------
        tuple of two torch.Tensor of shape (2 * batch_size, n_channels, height, width)
        """
        images = batch["images"]
        both = unit_pixels(torch.cat([images, batch.get("partners", images)]))
        return self.first(both), self.second(both)

    def positives(self, first: ViewOutput, second: ViewOutput) -> Positives:
        """Couple the matching halves of P and Q."""
        return [first.halves(), second.halves()]


CONTRASTS: dict[str, type[AcrossPairs | WithinPair]] = {
    "across_pairs": AcrossPairs,
    "within_pair": WithinPair,
}
