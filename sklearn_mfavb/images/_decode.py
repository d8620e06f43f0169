"""One picture to bytes, as a person would see it in a viewer."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from sklearn_mfavb.images._format import Size

ORIENTATION_TAG = 0x0112

# EXIF orientation -> what brings the picture upright (Exif 2.3, section 4.6.4).
TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """What is known of a picture before its pixels are decoded."""

    size: Size
    is_grey: bool


def read_header(image: Image.Image) -> Header:
    """Return the upright size of a picture and whether it has no colour."""
    width, height = image.size
    if _knows_orientation_early(image) and _orientation(image) >= 5:
        width, height = height, width
    is_grey = image.mode in {"1", "L", "LA", "La"} or _is_deep(image)
    return Header((height, width), is_grey)


def decode_file(path: str, size: Size, *, n_channels: int) -> np.ndarray:
    """Decode a file; a JPEG at the smallest scale that is twice the size or more."""
    # Not by its path: Pillow 13.0 maps plain TIFF files into memory then, and scrambles
    # those that are to be rotated.
    with open(path, "rb") as file, Image.open(file) as image:
        # Decoding a photo at 1/2 to 1/8 scale is several times faster. A side serves
        # both axes, as the picture may yet be rotated.
        image.draft(None, (2 * max(size), 2 * max(size)))
        return decode(image, n_channels=n_channels)


def decode(image: Image.Image, *, n_channels: int) -> np.ndarray:
    """Return (n_channels, height, width) bytes: grey for one channel, RGB for three."""
    image.load()
    image = _upright(image)
    if _is_deep(image):
        image = _to_eight_bits(image)
    elif image.has_transparency_data:
        image = _over_white(image)
    pixels = np.array(image.convert("L" if n_channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], n_channels).transpose(2, 0, 1)


def _is_deep(image: Image.Image) -> bool:
    """Whether a grey picture has more than 8 bits: modes I;16 (any), I and F."""
    return image.mode.startswith("I") or image.mode == "F"


def _knows_orientation_early(image: Image.Image) -> bool:
    """Whether the orientation is in the header and not yet part of the size."""
    # Pillow decodes a PNG to look for EXIF data behind the pixels, and reports the
    # size of a TIFF upright from the start.
    return image.format not in {"PNG", "TIFF"} or (
        image.format == "PNG" and "exif" in image.info
    )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, if there is none."""
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    # Broken metadata (any error, by format) is no reason to refuse good pixels.
    except Exception:
        return 1


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation."""
    method = TO_UPRIGHT.get(_orientation(image))
    return image if method is None else image.transpose(method)


def _over_white(image: Image.Image) -> Image.Image:
    """Lay a picture with transparent parts on a white page."""
    # Pillow has no direct way from premultiplied grey to colours.
    straight = image.convert("LA") if image.mode == "La" else image
    picture = straight.convert("RGBA")
    page = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(page, picture)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale a deep grey picture to 8 bits, where Pillow's convert would clip."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65535):
        raise ValueError(
            f"mode {image.mode} with values from {low:g} to {high:g}, outside 0 to "
            "65535: pass it as an array with pixel_range"
        )
    white = _white_of(image.mode, high)
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))


def _white_of(mode: str, high: float) -> float:
    """Return the value of white; floats have three conventions, told by their size."""
    if mode != "F" or high > 255:
        return 65535.0
    return 255.0 if high > 1 else 1.0
