"""Images of any size brought to one size."""

from collections.abc import Callable

import torch
from torch.nn.functional import interpolate

from sklearn_mfavb.images._format import Size

Resize = Callable[[torch.Tensor, Size], torch.Tensor]


def stretch(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Resize (batch_size, n_channels, height, width), antialiased; keep the type."""
    if tuple(images.shape[-2:]) == size:
        return images
    # Bilinear, because bicubic overshoots: floats would leave [0, 1].
    return interpolate(images, size=size, mode="bilinear", antialias=True)


def crop(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Resize the largest part in the center that has the right aspect ratio."""
    height, width = images.shape[-2:]
    # Cropped first, so that no pixel is computed that is not kept.
    scale = min(height / size[0], width / size[1])
    rows, columns = (max(1, round(side * scale)) for side in size)
    top, left = (height - rows) // 2, (width - columns) // 2
    return stretch(images[..., top : top + rows, left : left + columns], size)


def pad(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Resize to fit inside the size, in the center of black."""
    height, width = images.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    page = images.new_zeros((*images.shape[:-2], *size))
    page[..., top : top + rows, left : left + columns] = stretch(
        images, (rows, columns)
    )
    return page


RESIZE: dict[str, Resize] = {"crop": crop, "pad": pad, "stretch": stretch}
