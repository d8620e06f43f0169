"""Views that are augmented and embedded once, before training."""

from collections.abc import Callable

import torch
from torch import Tensor

from sklearn_mfavb.augmentation import Transform
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.views import unit_pixels

_BLOCK = 64  # images; what is read at full size and embedded at once


def embed_views(
    dataset: ImageDataset,
    augment: Transform,
    n_views: int,
    embed: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
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

    Returns
    -------
    images : torch.Tensor of shape (n_views, n_samples, n_channels, height, width)
        uint8.
    features : torch.Tensor of shape (n_views, n_samples, feature_dim)
    """
    blocks = [
        [
            _embed_block(dataset, positions, augment, embed)
            for positions in torch.arange(len(dataset)).split(_BLOCK)
        ]
        for _ in range(n_views)
    ]
    images = torch.stack([torch.cat([b[0] for b in view]) for view in blocks])
    features = torch.stack([torch.cat([b[1] for b in view]) for view in blocks])
    return images, features


@torch.no_grad()
def _embed_block(
    dataset: ImageDataset,
    positions: Tensor,
    augment: Transform,
    embed: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Make one view of some images: small bytes, and features of the large image."""
    source = dataset.source
    clean = source.read(dataset.indices[positions.numpy()], source.image_size)
    view = augment(unit_pixels(clean))
    small = torch.nn.functional.interpolate(
        view, size=dataset.size, mode="bilinear", antialias=True
    )
    pixels = small.clamp(0, 1).mul(255).round().to(torch.uint8)
    return pixels, embed(view).cpu()
