"""Pairs of views: how they are drawn from a batch, and which outputs must agree."""

from collections.abc import Callable
from functools import reduce
from typing import Protocol

from torch import Tensor

from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.views import View, unit_pixels

Augment = Callable[[View], View]
Positives = list[tuple[ViewOutput, ...]]


class Pairs(Protocol):
    """Views of a batch, and the outputs that must agree."""

    def draw(self, batch: dict[str, Tensor]) -> tuple[View, ...]:
        """Draw two stacks of views that pass the network as pairs, or one, alone."""

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Name, for each stack that was drawn, which outputs must agree."""


class WithinPair:
    """Contrast the two views of one pair: CC, VTCC and the literal reading of MFAVB.

    With a fusing backbone each half has read the other through attention, so the
    instance loss falls without anything being learned about the images.

    Parameters
    ----------
    first, second : callable
        Augmentations of the two views: from a View to a View.

    Notes
    -----
    A batch is a dict with ``"images"`` of shape (batch_size, n_channels, height,
    width), ``"features"`` of shape (batch_size, feature_dim), or both; where positives
    are neighbors, ``"partner_images"`` and ``"partner_features"`` are shaped alike.
    ``"index"`` and ``"partner_index"`` say which images they are.
    """

    def __init__(self, first: Augment, second: Augment) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[View, View]:
        """Draw one pair per image; its second view shows the partner, if any."""
        anchors, partners = read_batch(batch)
        return self.first(anchors), self.second(partners)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Couple the two halves of each pair."""
        return [outputs]


class AcrossPairs:
    """Contrast matching halves of two fused pairs: no half saw what it is compared to.

    For every image two pairs are formed, P = (a1, a2) of the image and Q = (b1, b2) of
    its partner (the image itself or a neighbor). Both are fused, and the loss is the
    mean over the couples (P1, Q1) and (P2, Q2). It costs one more pair per step, and it
    removes the leak of contrasting the halves of one fused pair.

    Parameters
    ----------
    first, second : callable
        Augmentations of the first and second view of either pair: from View to View.
    """

    def __init__(self, first: Augment, second: Augment) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[View, View]:
        """Draw both pairs of every image, P stacked on Q."""
        anchors, partners = read_batch(batch)
        both = anchors.stack(partners)
        return self.first(both), self.second(both)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Couple the matching halves of P and Q."""
        return [stack.split() for stack in outputs]


class SeparateViews:
    """Hold an image against its partner, neither seeing the other (SCAN).

    Parameters
    ----------
    first, second : callable
        Augmentations of images and of partners: from View to View.
    """

    def __init__(self, first: Augment, second: Augment) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[View]:
        """Draw a view of every image, and stack those of the partners below."""
        anchors, partners = read_batch(batch)
        return (self.first(anchors).stack(self.second(partners)),)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Couple images and partners."""
        return [stack.split() for stack in outputs]


class MultiCrop:
    """Draw two views of an image, and small parts of it beside them (SwAV).

    Small views are crops of first views, at the same size in pixels.

    Parameters
    ----------
    first, second : callable
        Augmentations of images and of partners: from View to View.
    crop : callable
        From first views to small parts of them.
    n_small_crops : int
        Number of small views.
    """

    def __init__(
        self, first: Augment, second: Augment, crop: Augment, n_small_crops: int
    ) -> None:
        self.first = first
        self.second = second
        self.crop = crop
        self.n_small_crops = n_small_crops

    def draw(self, batch: dict[str, Tensor]) -> tuple[View]:
        """Draw all views, and stack them: the two large ones come first."""
        anchors, partners = read_batch(batch)
        small = [self.crop(self.first(anchors)) for _ in range(self.n_small_crops)]
        views = [self.first(anchors), self.second(partners), *small]
        return (reduce(View.stack, views),)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Join all views of an image."""
        return [stack.split(2 + self.n_small_crops) for stack in outputs]


class ViewsAndPartner:
    """Hold two views of an image against its partner (GCC).

    Parameters
    ----------
    first, second : callable
        Augmentations of the two views; the first is that of the partner too.
    """

    def __init__(self, first: Augment, second: Augment) -> None:
        self.first = first
        self.second = second

    def draw(self, batch: dict[str, Tensor]) -> tuple[View]:
        """Draw two views of every image, and stack one of its partner below."""
        anchors, partners = read_batch(batch)
        views = self.first(anchors), self.second(anchors), self.first(partners)
        return (reduce(View.stack, views),)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Join both views with the partner, which comes last."""
        return [stack.split(3) for stack in outputs]


class CleanAndAugmented:
    """Hold augmented views of an image against the image as it is.

    Parameters
    ----------
    *augmentations : callable
        One for each augmented view: from View to View.
    """

    def __init__(self, *augmentations: Augment) -> None:
        self.augmentations = augmentations

    def draw(self, batch: dict[str, Tensor]) -> tuple[View]:
        """Draw all views of every image, and stack the clean images below."""
        clean, _ = read_batch(batch)
        views = [augment(clean) for augment in self.augmentations]
        return (reduce(View.stack, [*views, clean]),)

    def positives(self, *outputs: ViewOutput) -> Positives:
        """Join the augmented views with the clean image, which comes last."""
        return [stack.split(len(self.augmentations) + 1) for stack in outputs]


PAIRS: dict[str, type[AcrossPairs | WithinPair]] = {
    "across_pairs": AcrossPairs,
    "within_pair": WithinPair,
}


def read_batch(batch: dict[str, Tensor]) -> tuple[View, View]:
    """Take the images of a batch and their partners: themselves if there are none.

    Parameters
    ----------
    batch : dict of torch.Tensor
        As for `WithinPair.draw`.

    Returns
    -------
    anchors, partners : View
        Images are in [0, 1].
    """
    anchors = _clean_view(batch, "")
    has_partners = any(name.startswith("partner_") for name in batch)
    return anchors, _clean_view(batch, "partner_") if has_partners else anchors


def _clean_view(batch: dict[str, Tensor], prefix: str) -> View:
    """Read what a batch has of one side."""
    images = batch.get(prefix + "images")
    return View(
        None if images is None else unit_pixels(images),
        batch.get(prefix + "features"),
        batch.get(prefix + "index"),
    )
