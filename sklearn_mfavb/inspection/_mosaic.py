"""Rows of pictures in named groups: what the gallery and the views are drawn as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from sklearn_mfavb.inspection._axes import open_axes

_MARGIN = 4  # pixels
_GAP = 16  # between groups
_SIDE = 64  # of a picture in a figure
_INCHES = 0.6


@dataclass(frozen=True)
class Mosaic:
    """Pictures in rows, and where its parts are, in pixels.

    Parameters
    ----------
    picture : PIL.Image.Image
        All pictures.
    lefts : dict of str to int
        Where each group begins; groups without pictures are left out.
    tops : list of int
        Where each row begins.
    """

    picture: Image.Image
    lefts: dict[str, int]
    tops: list[int]


def lay_mosaic(
    groups: Mapping[str, Sequence[Sequence[Image.Image]]], *, side: int = _SIDE
) -> Mosaic:
    """Lay pictures out on white, whole and without distortion.

    Parameters
    ----------
    groups : mapping of str to sequence of sequences of PIL.Image.Image
        The pictures of every row, by group.
    side : int, default=64
        Side of the square for each, in pixels.

    Returns
    -------
    Mosaic
    """
    step = side + _MARGIN
    lefts, width = _lay_groups(groups, step)
    n_rows = max(map(len, groups.values()))
    tops = [_MARGIN + row * step for row in range(n_rows)]
    sheet = Image.new("RGB", (width, _MARGIN + n_rows * step), "white")
    for name, left in lefts.items():
        for top, pictures in zip(tops, groups[name], strict=True):
            for column, picture in enumerate(pictures):
                sheet.paste(_fit_tile(picture, side), (left + column * step, top))
    return Mosaic(sheet, lefts, tops)


def _lay_groups(
    groups: Mapping[str, Sequence[Sequence[Image.Image]]], step: int
) -> tuple[dict[str, int], int]:
    """Say where each group begins, and how wide all are."""
    lefts, left = {}, _MARGIN
    for name, rows in groups.items():
        if n_columns := max(map(len, rows), default=0):
            lefts[name] = left
            left += n_columns * step + _GAP
    return lefts, max(_MARGIN, left - _GAP)


def _fit_tile(picture: Image.Image, side: int) -> Image.Image:
    """Bring a picture to a square; pixels that grow stay square."""
    grows = max(picture.size) < side
    method = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
    tile = picture.convert("RGB")
    return ImageOps.pad(tile, (side, side), method=method, color="white")


def draw_mosaic(
    mosaic: Mosaic, *, row_names: Sequence[str], display: str, ax: Any
) -> tuple[Any, Any]:
    """Draw a mosaic with the names of its rows and groups; return image and axes."""
    width, height = (length / _SIDE * _INCHES for length in mosaic.picture.size)
    ax, _ = open_axes(display, ax, figsize=(width + 1.5, height + 0.4))
    image = ax.imshow(mosaic.picture)
    ax.set_yticks([top + _SIDE / 2 for top in mosaic.tops], row_names)
    ax.set_xticks(list(mosaic.lefts.values()), list(mosaic.lefts), ha="left")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return image, ax
