"""PIL images to 8-bit pixels, as a viewer would show them, of one size."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch.nn.functional import interpolate

from sklearn_mfavb.images._format import Size

# A drawing of which 95 % is lighter than this does not show on a white page.
LIGHT = 230


def upright_size(image: Image.Image) -> Size:
    """Return height and width of an image, upright, from its header."""
    width, height = image.size
    # Pillow decodes a PNG to look for EXIF data behind the pixels, and reports the
    # size of a TIFF upright from the start.
    is_early = image.format not in {"PNG", "TIFF"} or (
        image.format == "PNG" and "exif" in image.info
    )
    return (width, height) if is_early and _orientation(image) >= 5 else (height, width)


def is_grayscale(image: Image.Image) -> bool:
    """Whether an image has no color."""
    return image.mode in {"1", "L", "LA", "La"} or is_deep(image)


def is_deep(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits: modes I;16 (any), I and F."""
    return image.mode.startswith("I") or image.mode == "F"


def decode(
    image: Image.Image, n_channels: int, to_bytes: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return (n_channels, height, width) bytes: grayscale for one channel, else RGB.

    The values of an image with more than 8 bits are given to `to_bytes`.
    """
    image = _upright(image)
    if is_deep(image):
        image = Image.fromarray(to_bytes(np.asarray(image)))
    elif image.has_transparency_data:
        image = _on_page(image)
    pixels = np.array(image.convert("L" if n_channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], n_channels).transpose(2, 0, 1)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, if there is none."""
    # Broken metadata (any error, by format) is no reason to refuse good pixels.
    with suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation."""
    image.load()
    if _orientation(image) == 1:
        return image
    upright = image.copy()
    # In place, Pillow turns the pixels before it fails to rewrite broken metadata.
    with suppress(Exception):
        ImageOps.exif_transpose(upright, in_place=True)
    return upright


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
    page = images.new_zeros((*images.shape[:-2], *size))
    page[..., top : top + rows, left : left + columns] = stretch(
        images, (rows, columns)
    )
    return page


RESIZE: dict[str, Resize] = {"crop": crop, "pad": pad, "stretch": stretch}
