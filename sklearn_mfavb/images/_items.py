"""Images in files, in sequences and in datasets."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from PIL import Image

from sklearn_mfavb.images._arrays import channels_first, find_channel_axis, fitted_axis
from sklearn_mfavb.images._folders import readable_formats
from sklearn_mfavb.images._format import ImageFormat, Reading
from sklearn_mfavb.images._pictures import Header, Opened, PictureSource
from sklearn_mfavb.images._values import as_array, as_numbers, take

# Pillow releases the interpreter while it decodes; beyond this, disks are the limit.
N_THREADS = min(8, os.cpu_count() or 1)


class FileSource(PictureSource):
    """Image files, several read at a time."""

    def __init__(
        self, paths: list[str], *, reading: Reading, format: ImageFormat | None
    ) -> None:
        readable_formats()  # registers what Pillow can read
        super().__init__(len(paths), reading=reading, format=format, paths=paths)

    @contextmanager
    def _open(self, index: int, side: int | None = None) -> Iterator[Image.Image]:
        """Open a file; a JPEG at the smallest scale that is twice `side` or more."""
        assert self.paths is not None
        path = self.paths[index]
        if not path:
            raise ValueError("its path is missing")
        if os.path.exists(path) and not os.path.isfile(path):
            # Who opens a pipe may wait for ever.
            raise ValueError("it is no regular file")
        # Not by its path: Pillow 13.0 maps plain TIFF files into memory then, and
        # scrambles those that are to be rotated.
        with open(path, "rb") as file, Image.open(file) as image:
            if side is not None:
                # Decoding a photo at 1/2 to 1/8 scale is several times faster. A side
                # serves both axes, as the image may yet be rotated.
                image.draft(None, (2 * side, 2 * side))
            yield image

    def _map(self, function: Callable[[int], Any], indices: list[int]) -> list[Any]:
        """Apply a function to indices, by several threads."""
        with ThreadPoolExecutor(N_THREADS) as threads:
            return list(threads.map(function, indices))


# Enough items to learn the kind and the usual size of a dataset's images.
N_PROBES = 32


class ItemSource(PictureSource):
    """A sequence of PIL images, or of arrays with different shapes."""

    def __init__(
        self, items: Any, *, reading: Reading, format: ImageFormat | None
    ) -> None:
        self._items = items
        super().__init__(len(items), reading=reading, format=format)

    def _open(self, index: int, side: int | None = None) -> Opened:
        """Return the image of an item."""
        item = _find_image(self._items[index])
        if isinstance(item, Image.Image):
            return nullcontext(item)
        image = take(as_numbers(as_array(item)), slice(None))
        if image.ndim not in (2, 3) or image.size == 0:
            raise ValueError(
                f"its shape is {image.shape}, but (height, width), "
                "(height, width, n_channels) or (n_channels, height, width) is expected"
            )
        if self._fitted is None:
            axis = find_channel_axis(image.shape, self._reading.channel_axis)
        else:
            axis = fitted_axis(image.shape, self._fitted)
        return nullcontext(channels_first(image[None], axis)[0])


class DatasetSource(ItemSource):
    """A map-style dataset, whose items may come out changed every time."""

    is_constant = False

    def _scan(self) -> dict[int, Header]:
        """Return the headers of some items, or of all if need be."""
        n_items = len(self)
        probes = np.unique(np.linspace(0, n_items - 1, N_PROBES).astype(int)).tolist()
        headers = self._read_headers(probes)
        learns_range = self._fitted is None and self._reading.pixel_range == "data"
        # One color image settles that the images are RGB, but only all can be gray.
        found = headers.values()
        if learns_range or all(each.is_pil and each.n_channels == 1 for each in found):
            rest = sorted(set(range(n_items)) - set(probes))
            headers.update(self._read_headers(rest))
        return headers


def _find_image(item: Any) -> Any:
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
    if not isinstance(item, Image.Image) and as_array(item) is None:
        raise TypeError(
            f"it is of type {type(item).__name__}, but an image is expected (PIL, "
            "array or tensor): alone, first in a tuple, or in a dict"
        )
    return item
