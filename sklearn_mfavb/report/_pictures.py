"""Names of images, and their pictures as text that a page can hold."""

import base64
import io
import os

from PIL import Image

from sklearn_mfavb.images import ImageSource

# Of 64 pixels a side: 645 bytes on average for aerial photographs, where JPEG of about
# the same look takes 1,260, half of them tables.
_QUALITY = 75
_EFFORT = 2  # of 0 to 6: 4 saves 5 % more in 1.4 times the time


def encode(picture: Image.Image) -> str:
    """Write a small picture as WebP, in base64."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def name_images(source: ImageSource) -> tuple[list[str], str | None]:
    """Name every image, and the folder that all files share.

    Files are named by their path below that folder, in text that any page can hold:
    bytes that are no UTF-8 are replaced. Images from memory have numbers and no folder.
    """
    if source.paths is None:
        return [f"image {index}" for index in range(len(source))], None
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in source.paths])
    except ValueError:  # relative beside absolute paths, or several drives
        folder = ""
    below = [path[len(folder) :].lstrip(os.sep) for path in source.paths]
    return [_readable(path) for path in below], _readable(folder or os.curdir)


def _readable(path: str) -> str:
    """Replace what the file system allows and UTF-8 does not."""
    return os.fsencode(path).decode("utf-8", "replace")
