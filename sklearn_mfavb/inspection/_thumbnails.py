"""Small pictures of images, for people to look at."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sklearn_mfavb.images import ImageSource

# Decoding leaves the interpreter free; data sets of users may not stand threads.
_N_THREADS = 8


def read_thumbnails(
    source: ImageSource, indices: Iterable[int], *, side: int
) -> dict[int, Image.Image]:
    """Read images as people see them: whole, undistorted, and never enlarged.

    Parameters
    ----------
    source : ImageSource
        Where images are read from.
    indices : iterable of int
        Which images.
    side : int
        Longest side of a thumbnail in pixels. Smaller images keep their size.

    Returns
    -------
    dict of int to PIL.Image.Image
        As `to_picture` makes them.
    """

    def read(index: int) -> tuple[int, Image.Image]:
        return index, to_picture(source.read([index], (side, side), fit=shrink)[0])

    n_threads = 1 if source.paths is None else _N_THREADS
    with ThreadPoolExecutor(n_threads) as threads:
        return dict(threads.map(read, map(int, indices)))


def shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink (batch_size, n_channels, height, width) to fit a size; keep the aspect."""
    height, width = images.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    if scale >= 1:
        return images
    smaller = max(1, round(height * scale)), max(1, round(width * scale))
    return functional.interpolate(images, size=smaller, mode="bilinear", antialias=True)


def to_picture(image: Tensor) -> Image.Image:
    """Turn (n_channels, height, width), bytes or floats in [0, 1], into a picture.

    One or two channels become grey, by their mean; of more, the first three are RGB.
    Strips, which are rows of features, become bars.
    """
    if image.shape[1] == 1:
        image = image.expand(-1, image.shape[2], -1)
    if image.is_floating_point():
        # Strips and learned pixel ranges go beyond black and white.
        image = (image.clamp(0, 1) * 255).round().byte()
    pixels = image.numpy()
    if len(pixels) < 3:
        return Image.fromarray(pixels.mean(axis=0).round().astype(np.uint8))
    return Image.fromarray(np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)))
