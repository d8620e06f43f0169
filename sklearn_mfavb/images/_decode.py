"""PIL images to 8-bit pixels, as a viewer would show them, of one size."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch.nn.functional import interpolate
from torch.nn.functional import pad as pad_with_zeros

from sklearn_mfavb.images._format import PixelRule, Size, measure_range

# A drawing of which 95 % is lighter than this does not show on a white page.
LIGHT = 230


def upright_size(image: Image.Image) -> Size:
    """Return height and width of an image, upright, from its header."""
    width, height = image.size
    # Not for TIFF, whose size Pillow reports upright, nor for PNG with EXIF data behind
    # the pixels, which would be decoded. Any error: see below.
    if "exif" in image.info:
        with suppress(Exception):
            if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
                return width, height
    return height, width


def is_grayscale(image: Image.Image) -> bool:
    """Whether an image has no color."""
    return image.mode in {"1", "L", "LA", "La"} or is_deep(image)


def is_deep(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits: modes I;16 (any), I and F."""
    return image.mode.startswith("I") or image.mode == "F"


def decode(image: Image.Image, n_channels: int, deep_pixels: PixelRule) -> torch.Tensor:
    """Return (n_channels, height, width) bytes: grayscale for one channel, else RGB."""
    upright = image.copy()
    # In place, Pillow turns the pixels before it fails to rewrite broken metadata: with
    # any error, by format, and no reason to refuse good pixels.
    with suppress(Exception):
        ImageOps.exif_transpose(upright, in_place=True)
    if is_deep(upright):
        upright = Image.fromarray(_to_bytes(np.asarray(upright), deep_pixels))
    elif upright.has_transparency_data:
        upright = _on_page(upright)
    pixels = np.array(upright.convert("L" if n_channels == 1 else "RGB"))
    planes = pixels.reshape(*pixels.shape[:2], n_channels).transpose(2, 0, 1)
    return torch.from_numpy(planes)


def _to_bytes(values: np.ndarray, rule: PixelRule) -> np.ndarray:
    """Convert values of more than 8 bits."""
    rule.check(values.dtype, lambda: measure_range([values]))
    # Brighter than any image in fit is white: a sensor would be saturated.
    return rule.scale(values).clamp(0, 1).mul(255).round().byte().numpy()


def _on_page(image: Image.Image) -> Image.Image:
    """Lay an image with transparent parts on a page: white, or black below white ink.

    The page is black if at least 95 % of what is drawn, weighted by its opacity, is
    nearly white, so that it would not be seen on white.
    """
    # Pillow has no direct way from premultiplied gray to colors.
    straight = image.convert("LA") if image.mode == "La" else image
    picture = straight.convert("RGBA")
    opacity = np.asarray(picture.getchannel("A"))
    total = opacity.sum(dtype=np.int64)
    dark = opacity[np.asarray(picture.convert("L")) < LIGHT].sum(dtype=np.int64)
    page = Image.new("RGBA", picture.size, "black" if 20 * dark < total else "white")
    return Image.alpha_composite(page, picture)


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
    margins = (left, size[1] - columns - left, top, size[0] - rows - top)
    return pad_with_zeros(stretch(images, (rows, columns)), margins)


RESIZE: dict[str, Resize] = {"crop": crop, "pad": pad, "stretch": stretch}
