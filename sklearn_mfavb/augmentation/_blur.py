"""Gaussian blur with a width of its own for every image."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_mfavb.augmentation._transform import (
    Transform,
    draw_events,
    draw_uniform,
    is_picture,
)


@dataclass(frozen=True, kw_only=True)
class GaussianBlur(Transform):
    """Blur each image with its own Gaussian, as torchvision's ``gaussian_blur``.

    The kernel covers about a tenth of each side (an odd number of pixels, at least 3)
    and the borders are mirrored. Images with a side below 4 pixels are left unchanged.
    Source: Chen et al., SimCLR, 2020, arXiv:2002.05709, appendix A.

    Parameters
    ----------
    sigma : tuple of float, default=(0.1, 2.0)
        Smallest and largest standard deviation, in pixels.
    probability : float, default=0.5
        Probability that an image is changed.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import GaussianBlur
    >>> GaussianBlur(probability=1.0)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 3, 64, 64])
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    probability: float = 0.5

    _limits: ClassVar = {"sigma": (0, math.inf), "probability": (0, 1)}

    def draw(self, images: Tensor) -> Tensor:
        """Draw the sigma of every image, (batch_size,); 0 where nothing happens."""
        applied = draw_events(images, self.probability)
        return draw_uniform(images, *self.sigma).where(applied, 0.0)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Convolve along the height, then along the width."""
        if not is_picture(images):
            return images
        batch_size, n_channels, height, width = images.shape
        columns, rows = (
            gaussian_kernels(parameters, kernel_size=kernel_size(side))
            .repeat_interleave(n_channels, dim=0)
            .unsqueeze(1)  # (batch_size * n_channels, 1, kernel_size)
            for side in (height, width)
        )
        n_groups = batch_size * n_channels
        planes = images.reshape(1, n_groups, height, width)
        with full_precision(images.device):
            planes = mirror_borders(planes, margin=columns.shape[-1] // 2, dim=2)
            planes = F.conv2d(planes, columns[..., None], groups=n_groups)
            planes = mirror_borders(planes, margin=rows.shape[-1] // 2, dim=3)
            planes = F.conv2d(planes, rows[..., None, :], groups=n_groups)
        return planes.reshape(images.shape).clamp_(0.0, 1.0)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Suspend autocast, which would convolve and return pixels in half precision."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def mirror_borders(planes: Tensor, *, margin: int, dim: int) -> Tensor:
    """Pad one dimension by reflection, as F.pad's reflect mode but cheaper.

    At 224 pixels on one thread F.pad took four times as long as both convolutions.
    """
    side = planes.shape[dim]
    before = planes.narrow(dim, 1, margin).flip(dim)
    after = planes.narrow(dim, side - 1 - margin, margin).flip(dim)
    return torch.cat((before, planes, after), dim=dim)


def kernel_size(side: int) -> int:
    """Return the odd number of pixels, at least 3, nearest to a tenth of a side."""
    return max(3, side // 20 * 2 + 1)


def gaussian_kernels(sigma: Tensor, *, kernel_size: int) -> Tensor:
    """Return kernels (batch_size, kernel_size) that add up to one."""
    # Distances over sqrt(2), so that exp(-scaled^2) is exp(-d^2 / (2 sigma^2)).
    reach = (kernel_size - 1) / (2 * math.sqrt(2))
    offsets = torch.linspace(
        -reach, reach, kernel_size, dtype=sigma.dtype, device=sigma.device
    )
    # A sigma of zero becomes so small that only the middle weight survives, exactly.
    scaled = offsets / sigma.clamp(min=1e-3)[:, None]
    return torch.softmax(-scaled.square(), dim=1)
