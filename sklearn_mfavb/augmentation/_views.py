"""Augmentations of views: images, features or both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from sklearn_mfavb.devices import has_room
from sklearn_mfavb.views import View, unit_pixels

# Shares of the views, set with the accuracy on three sets in view: docs/measured.md.
_LEADING_ALONE, _OTHERS_ALONE = 0.5, 0.1


@dataclass(frozen=True)
class FeatureNoise:
    """Drop entries of features and add Gaussian noise to them.

    The cheap stand-in for features of augmented images: positives must agree on what
    is left of them.

    Parameters
    ----------
    dropout : float, default=0.5
        Probability of an entry to become 0; the others grow by ``1 / (1 - dropout)``.
    noise : float, default=0.5
        Standard deviation of the noise, where entries have mean square 1; added first.
    leading : slice, default=None
        Columns of one of several encoders. Half of the views are left with these alone,
        a tenth with all other columns, and the rest with all, so that a network relies
        on no encoder that says nothing of the classes. None: there is one encoder.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import FeatureNoise
    >>> FeatureNoise(dropout=0.5, noise=0.0)(torch.ones(2, 1000)).unique()
    tensor([0., 2.])
    """

    dropout: float = 0.5
    noise: float = 0.5
    leading: slice | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """Perturb features of shape (batch_size, feature_dim)."""
        noisy = torch.randn_like(features).mul_(self.noise).add_(features)
        if self.leading is not None:
            noisy = _drop_encoders(noisy, self.leading)
        if self.dropout == 0:
            return noisy
        # A third of the time of torch's own dropout, which draws one by one on CPUs.
        kept = torch.rand_like(features) >= self.dropout
        return noisy.mul_(kept).div_(max(1 - self.dropout, 1e-12))


def _drop_encoders(features: Tensor, leading: slice) -> Tensor:
    """Leave one encoder, all others, or all of them, row by row."""
    drawn = torch.rand(len(features), 1, device=features.device)
    kept = features * (drawn < 1 - _LEADING_ALONE)
    kept[:, leading] = features[:, leading] * (drawn >= _OTHERS_ALONE)
    return kept


@dataclass(frozen=True)
class ViewAugmentation:
    """Augment images and features of a view, each in its own way.

    Parameters
    ----------
    images, features : callable
        From a batch of images, or features, to one of the same shape.
    """

    images: Callable[[Tensor], Tensor]
    features: Callable[[Tensor], Tensor]

    def __call__(self, view: View) -> View:
        """Augment what there is."""
        return View(
            None if view.images is None else self.images(view.images),
            None if view.features is None else self.features(view.features),
            view.position,
        )


class ViewBank:
    """Augmented views that were made before, with their features.

    Parameters
    ----------
    images : torch.Tensor of shape (n_views, n_samples, n_channels, height, width)
        Augmented images, uint8; None if they are not used.
    features : torch.Tensor of shape (n_views, n_samples, feature_dim)
        Features of just these images.
    perturb : callable
        From a batch of features to one of the same shape.
    """

    def __init__(
        self,
        images: Tensor | None,
        features: Tensor,
        perturb: Callable[[Tensor], Tensor],
    ) -> None:
        self.images = images
        self.features = features
        self.perturb = perturb
        self._device = features.device  # the last one that was asked for room

    def __call__(self, view: View) -> View:
        """Draw a view of every image, uniformly; only `position` is used."""
        position = cast(Tensor, view.position)
        device = position.device
        self._move_to(device)
        there = position.to(self.features.device)
        drawn = torch.randint(len(self.features), there.shape, device=there.device)
        features = self.perturb(self.features[drawn, there].to(device))
        if self.images is None:
            return View(None, features, position)
        images = unit_pixels(self.images[drawn, there].to(device))
        return View(images, features, position)

    def _move_to(self, device: torch.device) -> None:
        """Move all views to a device that has room for them."""
        if self._device == device:
            return
        self._device = device
        parts = [each for each in (self.images, self.features) if each is not None]
        if has_room(device, sum(each.nbytes for each in parts)):
            self.features = self.features.to(device)
            self.images = None if self.images is None else self.images.to(device)
