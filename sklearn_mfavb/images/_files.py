"""Images in files."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from PIL import Image

from sklearn_mfavb.images._folders import readable_formats
from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._pictures import PictureSource
from sklearn_mfavb.images._reading import Reading

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
