"""One picture, opened: a file, or an item of a sequence or data set."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from sklearn_mfavb.folders import HEIF_ADVICE, HEIF_EXTENSIONS
from sklearn_mfavb.images._values import as_array, as_numbers


@contextmanager
def open_file(path: str, side: int | None = None) -> Iterator[Image.Image]:
    """Open an image file; a JPEG at the smallest scale that is twice `side` or more."""
    if not path:
        raise ValueError("its path is missing")
    if os.path.exists(path) and not os.path.isfile(path):
        # Who opens a pipe may wait for ever.
        raise ValueError("it is not a regular file")
    # Not by its path: Pillow 13.0 maps plain TIFF files into memory then, and scrambles
    # those that are to be rotated.
    with open(path, "rb") as file, Image.open(file) as image:
        if side is not None:
            # Decoding a photo at 1/2 to 1/8 scale is several times faster. A side
            # serves both axes, as the image may yet be rotated.
            image.draft(None, (2 * side, 2 * side))
        yield image


def find_image(item: Any) -> Image.Image | np.ndarray:
    """Return the image in an item: itself, first in a tuple, or a value of a dict."""
    if isinstance(item, Mapping):
        images = [
            value
            for value in item.values()
            if isinstance(value, Image.Image) or getattr(value, "ndim", 0) in (2, 3)
        ]
        images = [item["image"]] if "image" in item else images
        if len(images) != 1:
            raise TypeError(
                f"it is a dict of {list(item)}, but one image is expected: under "
                "'image', or as the only value that is an image"
            )
        item = images[0]
    elif isinstance(item, (tuple, list)) and item:
        item = item[0]
    if isinstance(item, Image.Image):
        return item
    array = as_array(item)
    if array is None:
        raise TypeError(
            f"it is of type {type(item).__name__}, but an image is expected (PIL, "
            "array or tensor): alone, first in a tuple, or in a dict"
        )
    image = np.asarray(as_numbers(array))
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"its shape is {image.shape}, but (height, width), "
            "(height, width, n_channels) or (n_channels, height, width) is expected"
        )
    return image


def explain(error: Exception, name: str) -> str:
    """Return why an image cannot be opened, and what would help."""
    reason = f"{type(error).__name__}: {error}".rstrip(".")
    if isinstance(error, Image.DecompressionBombError):
        return f"{reason}. If it is yours, raise PIL.Image.MAX_IMAGE_PIXELS"
    if not isinstance(error, UnidentifiedImageError):
        return reason
    reason = "it is damaged, or no image that Pillow can read"
    is_heif = name.lower().rstrip(")").endswith(HEIF_EXTENSIONS)
    return f"{reason}; {HEIF_ADVICE}" if is_heif else reason
