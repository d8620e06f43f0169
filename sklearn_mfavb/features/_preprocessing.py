"""An encoder's own preprocessing, for batches of tensors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Size = tuple[int, int]
ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]

# No encoder sees larger images, and a forged description could ask for any size.
LARGEST_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Bring images to the size and the statistics that an encoder was trained with.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels that the encoder sees.
    resized : tuple of int
        Height and width that an image is resized to, before the center is cut out.
    resize_mode : {"shortest", "longest", "squash"}
        ``"shortest"``: the image covers `resized`; ``"longest"``: it fits inside, both
        with its aspect ratio kept. ``"squash"``: it is stretched to `resized`.
    interpolation : {"bicubic", "bilinear"}
        How pixels are resampled; antialiased.
    mean, std : tuple of float
        Per channel, of pixels in [0, 1].
    fill : float, default=0.0
        Gray level in [0, 1] around an image that is smaller than `size`.
    """

    size: Size
    resized: Size
    resize_mode: ResizeMode
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fill: float = 0.0

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Build from the values of ``dataclasses.asdict``, also after JSON."""
        try:
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in told.items()
            }
            made = cls(**values)
            sides = (*made.size, *made.resized)
            is_sound = (
                (len(sides), len(made.mean), len(made.std)) == (4, 3, 3)
                and all(isinstance(side, int) for side in sides)
                and 1 <= min(sides) <= max(sides) <= LARGEST_SIDE
                and made.resize_mode in get_args(ResizeMode)
                and made.interpolation in get_args(Interpolation)
                and math.isfinite(sum((*made.mean, *made.std, made.fill)))
            )
        except (AttributeError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise ValueError(f"{told!r} does not describe a preprocessing of images.")
        return made

    def resize(self, images: Tensor, size: Size | None = None) -> Tensor:
        """Resize a batch, and crop or pad it to the encoder's size; float32 in [0, 1].

        `images` are bytes, or floats with black and white at 0 and 1. `size` is what an
        `ImageSource` passes, and ignored.
        """
        white = 255 if images.dtype == torch.uint8 else 1
        pixels = images.float() / white
        resized = self._size_before_crop(*pixels.shape[-2:])
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
        """Standardize resized images of 1 or 3 channels, as float32 of 3 channels."""
        # The type is given, as torch's default may be another one.
        options: dict[str, Any] = {"dtype": torch.float32, "device": images.device}
        mean = torch.tensor(self.mean, **options)[:, None, None]
        std = torch.tensor(self.std, **options)[:, None, None]
        return (images.expand(-1, 3, -1, -1) - mean) / std

    def _size_before_crop(self, height: int, width: int) -> Size:
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
    """Return the center of the images, on a gray page where they are smaller."""
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
