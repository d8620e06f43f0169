"""Pictures of images: thumbnails, and rows of them as one mosaic."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.inspection._findings import Display

SIDE = 64  # pixels of a picture in a figure
_MARGIN = 4
_GAP = 16  # between groups
_INCHES = 0.6  # of a picture in a figure
# Decoding leaves the interpreter free; data sets of users may not stand threads.
_N_THREADS = 8

Groups = Mapping[str, Sequence[Sequence[Image.Image]]]


def read_thumbnails(
    source: ImageSource, indices: Iterable[int], *, side: int
) -> dict[int, Image.Image]:
    """Read images as people see them: whole, undistorted, and never enlarged.

    Of the images of `source` at `indices`, the longest side has at most `side` pixels.
    """

    def read(index: int) -> tuple[int, Image.Image]:
        image = source.read([index], (side, side), resize=lambda images, _: images)[0]
        picture = to_picture(image)
        picture.thumbnail((side, side))
        return index, picture

    n_threads = 1 if source.paths is None else _N_THREADS
    with ThreadPoolExecutor(n_threads) as threads:
        return dict(threads.map(read, map(int, indices)))


def to_picture(image: Tensor) -> Image.Image:
    """Turn (n_channels, height, width), bytes or floats in [0, 1], into a picture.

    Up to two channels become grayscale, by their mean; of more, three are RGB.
    """
    if image.is_floating_point():
        # Learned pixel ranges may leave values beyond black and white.
        image = (image.clamp(0, 1) * 255).round().byte()
    pixels = image.numpy()
    if len(pixels) < 3:
        return Image.fromarray(pixels.mean(axis=0).round().astype(np.uint8))
    return Image.fromarray(np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)))


class MosaicDisplay(Display):
    """Base of Displays of rows of pictures in named groups."""

    image_: Any

    def _plot_mosaic(self, groups: Groups, names: Sequence[str], ax: Any) -> Self:
        """Draw the pictures of every row, by group, beside the names of the rows."""
        picture, starts = paste_mosaic(groups)
        width, height = (length / SIDE * _INCHES for length in picture.size)
        self._open_axes(ax, figsize=(width + 1.5, height + 0.4))
        self.image_ = self.ax_.imshow(picture)
        middles = [row_top(row, SIDE) + SIDE / 2 for row in range(len(names))]
        self.ax_.set_yticks(middles, names)
        self.ax_.set_xticks(list(starts.values()), list(starts), ha="left")
        self.ax_.tick_params(length=0, labeltop=True, labelbottom=False)
        self.ax_.spines[:].set_visible(False)
        return self


def row_top(row: int, side: int) -> int:
    """Return where a row of pictures begins, in pixels."""
    return _MARGIN + row * (side + _MARGIN)


def paste_mosaic(
    groups: Groups, side: int = SIDE
) -> tuple[Image.Image, dict[str, int]]:
    """Paste pictures on white, and tell where each group that has some begins."""
    starts, left = {}, _MARGIN
    for name, rows in groups.items():
        if n_columns := max(map(len, rows), default=0):
            starts[name] = left
            left += n_columns * (side + _MARGIN) + _GAP
    size = max(_MARGIN, left - _GAP), row_top(max(map(len, groups.values())), side)
    mosaic = Image.new("RGB", size, "white")
    for name, start in starts.items():
        for row, pictures in enumerate(groups[name]):
            for column, picture in enumerate(pictures):
                place = start + column * (side + _MARGIN), row_top(row, side)
                tile, grows = picture.convert("RGB"), max(picture.size) < side
                # Pixels that grow stay square.
                method = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
                tile = ImageOps.pad(tile, (side, side), method=method, color="white")
                mosaic.paste(tile, place)
    return mosaic, starts
