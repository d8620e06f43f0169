"""An encoder's own preprocessing, for batches of tensors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Size = tuple[int, int]
ResizeMode = Literal["shortest", "longest", "squash"]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Bring images to the size and the statistics that an encoder was trained with.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels that the encoder sees.
    resized : tuple of int
        Height and width that an image is resized for, before the centre is cut out.
    resize_mode : {"shortest", "longest", "squash"}
        "shortest": the image covers `resized`, "longest": it fits inside, both with
        its aspect ratio kept. "squash": it is stretched to `resized`.
    interpolation : {"bicubic", "bilinear"}
        How pixels are resampled; antialiased.
    mean, std : tuple of float
        Per channel, of pixels in [0, 1].
    fill : float, default=0.0
        Grey in [0, 1] around an image that is smaller than `size`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.features import Preprocessing
    >>> preprocessing = Preprocessing(
    ...     size=(8, 8), resized=(8, 8), resize_mode="shortest",
    ...     interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3,
    ... )
    >>> images = torch.zeros(2, 1, 20, 30, dtype=torch.uint8)
    >>> fitted = preprocessing.fit(images)
    >>> fitted.shape, preprocessing.normalize(fitted).shape
    (torch.Size([2, 1, 8, 8]), torch.Size([2, 3, 8, 8]))
    """

    size: Size
    resized: Size
    resize_mode: ResizeMode
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fill: float = 0.0

    def fit(self, images: Tensor, size: Size | None = None) -> Tensor:
        """Resize images, and crop or pad them to the encoder's size.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Bytes, or floats with black and white at 0 and 1.
        size : tuple of int, default=None
            Ignored; present so that an ``ImageSource`` can read with this method.

        Returns
        -------
        torch.Tensor of shape (batch_size, n_channels, height, width)
            float32 in [0, 1], of the encoder's size.
        """
        white = 255 if images.dtype == torch.uint8 else 1
        pixels = images.float() / white
        resized = self._resize_to(*pixels.shape[-2:])
        if pixels.shape[-2:] != resized:
            # Not rounded to bytes, as Pillow does it: enlarged images have no fine
            # detail but the rounding. With it, features of 32-pixel images had a mean
            # cosine of 0.982 to those of exact pixels.
            pixels = interpolate(
                pixels, size=resized, mode=self.interpolation, antialias=True
            )
        # Bicubic resampling overshoots.
        return _crop_or_pad(pixels.clamp(0, 1), self.size, self.fill)

    def normalize(self, images: Tensor) -> Tensor:
        """Standardise fitted images, as three channels.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Floats with black and white at 0 and 1; 1 or 3 channels.

        Returns
        -------
        torch.Tensor of shape (batch_size, 3, height, width)
            float32.
        """
        mean = torch.tensor(self.mean, device=images.device)[:, None, None]
        std = torch.tensor(self.std, device=images.device)[:, None, None]
        return (images.expand(-1, 3, -1, -1) - mean) / std

    def _resize_to(self, height: int, width: int) -> Size:
        """Return the size before the crop; rounded as torchvision and timm do."""
        # A row of numbers is no picture: a crop would keep one pixel of it.
        if self.resize_mode == "squash" or 1 in (height, width):
            return self.resized
        ratios = self.resized[0] / height, self.resized[1] / width
        if self.resize_mode == "longest" or self.resized[0] != self.resized[1]:
            scale = min(ratios) if self.resize_mode == "longest" else max(ratios)
            return max(1, round(height * scale)), max(1, round(width * scale))
        side = self.resized[0]
        long_side = int(side * max(height, width) / min(height, width))
        return (side, long_side) if height <= width else (long_side, side)


def _crop_or_pad(images: Tensor, size: Size, fill: float) -> Tensor:
    """Return the centre of the images, on a grey page where they are smaller."""
    if images.shape[-2:] == size:
        return images
    page = images.new_full((*images.shape[:2], *size), fill)
    rows, page_rows = _overlap(images.shape[-2], size[0])
    columns, page_columns = _overlap(images.shape[-1], size[1])
    page[..., page_rows, page_columns] = images[..., rows, columns]
    return page


def _overlap(length: int, target: int) -> tuple[slice, slice]:
    """Return what is taken of a side, and where it goes on a page of another length."""
    if length >= target:
        start = round((length - target) / 2)
        return slice(start, start + target), slice(0, target)
    start = (target - length) // 2
    return slice(0, length), slice(start, start + length)
