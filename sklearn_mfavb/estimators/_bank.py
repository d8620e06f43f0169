"""Views that are augmented and embedded once, before training."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from sklearn_mfavb.augmentation import Transform
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.views import unit_pixels

_BLOCK = 64  # images; what is read at full size and embedded at once


def embed_views(
    dataset: ImageDataset,
    augment: Transform,
    n_views: int,
    embed: Callable[[Tensor], Tensor],
    *,
    keep_images: bool,
) -> tuple[Tensor | None, Tensor]:
    """Augment every image some times at full size, embed that, and keep it small.

    Parameters
    ----------
    dataset : ImageDataset
        The images; what is kept has its size.
    augment : Transform
        From images in [0, 1] to images in [0, 1].
    n_views : int
        Views of every image.
    embed : callable
        From images in [0, 1] to features, of shape (batch_size, feature_dim).
    keep_images : bool
        Whether the small images are returned too.

    Returns
    -------
    images : torch.Tensor of shape (n_views, n_samples, n_channels, height, width)
        uint8; None if they are not kept.
    features : torch.Tensor of shape (n_views, n_samples, feature_dim)
    """
    blocks = [
        [
            _embed_block(dataset, positions, augment, embed, keep_images=keep_images)
            for positions in torch.arange(len(dataset)).split(_BLOCK)
        ]
        for _ in range(n_views)
    ]
    features = torch.stack([torch.cat([f for _, f in view]) for view in blocks])
    if not keep_images:
        return None, features
    pixels = [[image for image, _ in view if image is not None] for view in blocks]
    return torch.stack([torch.cat(view) for view in pixels]), features


@torch.no_grad()
def _embed_block(
    dataset: ImageDataset,
    positions: Tensor,
    augment: Transform,
    embed: Callable[[Tensor], Tensor],
    *,
    keep_images: bool,
) -> tuple[Tensor | None, Tensor]:
    """Make one view of some images: small bytes, and features of the large image."""
    source = dataset.source
    clean = source.read(dataset.indices[positions.numpy()], source.image_size)
    view = augment(unit_pixels(clean))
    return _shrink(view, dataset.size) if keep_images else None, embed(view).cpu()


def _shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Reduce images in [0, 1] to bytes of that height and width."""
    small = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
    return small.clamp(0, 1).mul(255).round().to(torch.uint8)
