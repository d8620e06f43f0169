"""Sources of images: one way to read them, wherever they are."""

import os
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from sklearn_mfavb.images._decode import RESIZE, Resize
from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._values import release_pages

Indices = Sequence[int] | np.ndarray | torch.Tensor
Target = tuple[Size, Resize]

# More is kept in a file: it would compete with the network for the memory of a small
# machine. These are about 60,000 RGB images of 76 x 76 pixels.
MEMORY_BYTES = 2**30

VERIFY_BATCH_SIZE = 64


class ImageSource(ABC):
    """Images that are read batch by batch, made by :func:`open_images`.

    `n_channels`, `image_size` (medians) and `has_one_size` describe the images, and
    `paths` are those of files or None. `format` tells how they are read (see
    `complete_format`), `unreadable` the index and reason of images that could not be
    read so far (on_error="skip"), and `ignored` path and reason of other files in a
    folder.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import open_images
    >>> source = open_images(np.zeros((5, 8, 8, 3), dtype=np.uint8))
    >>> source.read([0, 4], (16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """

    has_one_size = False

    #: Whether an image is the same each time it is read, so that it can be kept.
    is_constant = True

    def __init__(
        self,
        n_images: int,
        *,
        format: ImageFormat,
        image_size: Size,
        dtype: torch.dtype,
        paths: list[str] | None = None,
    ) -> None:
        self.format = format
        self.n_channels = format.n_channels
        self.image_size = image_size
        self.paths = paths
        self.unreadable: dict[int, str] = {}
        self.ignored: dict[str, str] = {}
        self._n_images = n_images
        self._dtype = dtype
        self._kept: KeptImages | None = None
        self._was_read = np.zeros(n_images, dtype=bool)

    def __len__(self) -> int:
        """Return the number of images."""
        return self._n_images

    def complete_format(self) -> ImageFormat:
        """Return the format, with the range of files with more than 8 bits.

        No header tells that range, so that these files are decoded for it.
        """
        return self.format

    @abstractmethod
    def _load(self, indices: np.ndarray, targets: list[Target]) -> list[torch.Tensor]:
        """Load each image once and return the batch for each target."""

    def read(
        self, indices: Indices, size: Size, *, resize: Resize | None = None
    ) -> torch.Tensor:
        """Read images as (batch_size, n_channels, height, width), brought to one size.

        `resize` is called with images (batch_size, n_channels, any height, any width)
        and the size (height, width); None stands for ``Reading.resize``. The images are
        uint8 if all have 8 bits, else float32 with black and white as 0 and 1.
        Unreadable ones are zeros.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        usual, kept = RESIZE[self.format.resize], self._kept
        target = (as_size(size), resize or usual)
        if kept is None:
            return self._load_marked(wanted, [target])[0]
        to_keep = (kept.size, usual)
        missing = np.unique(wanted[~kept.is_filled[wanted]])
        if target == to_keep:
            if len(missing):
                kept.fill(missing, self._load_marked(missing, [target])[0])
            return kept.take(wanted)
        # Loaded once for both sizes.
        targets = [target, to_keep] if len(missing) else [target]
        images, *copies = self._load_marked(wanted, targets)
        for copy in copies:
            kept.fill(wanted, copy)
        return images

    def keep(self, size: Size) -> None:
        """Keep images at a size from now on, whenever they are read at any size.

        Up to 1 GiB is kept in memory, more in a temporary file that is removed with the
        source. Nothing is kept of datasets, whose items may change.
        """
        if not self.is_constant or (self._kept and self._kept.size == as_size(size)):
            return
        shape = (len(self), self.n_channels, *as_size(size))
        try:
            self._kept = KeptImages(shape, self._dtype)
        except OSError as error:
            self._kept = None
            warnings.warn(
                f"Images of shape {shape} do not fit into the temporary folder "
                f"{tempfile.gettempdir()!r} ({error.strerror}) and are read again in "
                "every epoch. Set TMPDIR to a folder with more space.",
                UserWarning,
                stacklevel=2,
            )

    def verify(self, size: Size) -> None:
        """Read what has not been read yet, so that broken images show now."""
        was_read = self._was_read if self._kept is None else self._kept.is_filled
        unread = np.flatnonzero(~was_read)
        for start in range(0, len(unread), VERIFY_BATCH_SIZE):
            indices = unread[start : start + VERIFY_BATCH_SIZE]
            self.read(indices, size if self._kept is None else self._kept.size)

    def _load_marked(
        self, indices: np.ndarray, targets: list[Target]
    ) -> list[torch.Tensor]:
        """Load images and note that they have been read."""
        batches = self._load(indices, targets)
        self._was_read[indices] = True
        return batches


def as_size(size: Sequence[int]) -> Size:
    """Return height and width as Python's numbers, to be compared."""
    return int(size[0]), int(size[1])


class KeptImages:
    """Images at one size, in memory or in a temporary file.

    NumPy's, as torch writes no tensor of its inference mode outside of it.
    """

    def __init__(self, shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
        self.size: Size = shape[2:]
        self.is_filled = np.zeros(shape[0], dtype=bool)
        self._images = _allocate(
            shape, np.uint8 if dtype == torch.uint8 else np.float32
        )

    def fill(self, indices: np.ndarray, images: torch.Tensor) -> None:
        """Keep images."""
        self._images[indices] = images.numpy()
        self.is_filled[indices] = True
        release_pages(self._images)

    def take(self, indices: np.ndarray) -> torch.Tensor:
        """Return copies of images."""
        images = torch.from_numpy(self._images[indices])
        release_pages(self._images)
        return images


def _allocate(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros, in memory if they are small."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes <= MEMORY_BYTES:
        return np.zeros(shape, dtype)  # pages take memory when they are filled
    with tempfile.TemporaryFile(prefix="mfavb-") as file:
        # A disk that is full later would end the process when a page is written.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        file.truncate(n_bytes)
        return np.memmap(file, dtype, "r+", shape=shape)
