"""Sources of images: one way to read them, wherever they are."""

import math
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Self

import numpy as np
import torch
from tqdm.auto import tqdm

from sklearn_mfavb.images._decode import RESIZE, Resize
from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._values import release_pages
from sklearn_mfavb.warn import warn_user

Indices = Sequence[int] | np.ndarray | torch.Tensor
Target = tuple[Size, Resize]
Batches = dict[Target, torch.Tensor]

# More is kept in a file: it would compete with the network for the memory of a small
# machine. These are about 60,000 RGB images of 76 x 76 pixels.
MEMORY_BYTES = 2**30

VERIFY_BATCH_SIZE = 64


class ImageSource(ABC):
    """Images that are read batch by batch, made by :func:`open_images`.

    `n_channels`, `image_size` (medians) and `has_one_size` describe the images,
    `format` tells how they are read, and `paths` are those of files or None.
    `unreadable` has the index and reason of images that could not be read so far
    (on_error="skip").

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import open_images
    >>> source = open_images(np.zeros((5, 8, 8, 3), dtype=np.uint8))
    >>> source.read([0, 4], (16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """

    has_one_size = False

    format: ImageFormat
    image_size: Size
    _dtype: torch.dtype
    #: The size at which images are at hand already.
    _size_at_hand: Size | None = None
    #: Whether an image is the same each time it is read, and whichever thread reads it.
    is_constant = True

    def __init__(self, n_images: int, paths: list[str] | None = None) -> None:
        self.paths = paths
        self.unreadable: dict[int, str] = {}
        #: Images at one size, in memory or in a temporary file. NumPy's, as torch
        #: writes no tensor of its inference mode outside of it.
        self._kept: np.ndarray | None = None
        #: Which images have been read, and with that kept if images are.
        self._was_read = np.zeros(n_images, dtype=bool)
        #: What images are called in errors.
        self._numbers = np.arange(n_images)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._was_read)

    @property
    def n_channels(self) -> int:
        """Number of channels of every image."""
        return self.format.n_channels

    @cached_property
    def fingerprint(self) -> str | None:
        """Hash that other images do not have; None if images may change unnoticed.

        Of arrays their content counts, of files path, size and times of change.
        """
        return None

    @abstractmethod
    def _load(self, indices: np.ndarray, targets: set[Target]) -> Batches:
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
        kept, usual = self._kept, RESIZE[self.format.resize]
        target = (size[0], size[1]), resize or usual
        if kept is None:
            loaded = self._load(wanted, {target})
        elif not self._was_read[wanted].all():
            to_keep = kept.shape[2:], usual
            loaded = self._load(wanted, {target, to_keep})
            kept[wanted] = loaded[to_keep].numpy()
            release_pages(kept)
        elif target != (kept.shape[2:], usual):
            return self._load(wanted, {target})[target]
        else:
            images = torch.from_numpy(kept[wanted])
            release_pages(kept)
            return images
        self._was_read[wanted] = True
        return loaded[target]

    def is_at_hand(self, size: Size) -> bool:
        """Whether images at a size are in memory, or will be when they are read."""
        kept = None if self._kept is None else self._kept.shape[2:]
        return tuple(size) in (self._size_at_hand, kept)

    def n_image_bytes(self, size: Size) -> int:
        """Return the bytes of an image at a size."""
        return self.n_channels * math.prod(size) * self._dtype.itemsize

    def keep(self, size: Size) -> None:
        """Keep images at a size from now on, whenever they are read at any size.

        Up to 1 GiB is kept in memory, more in a temporary file that is removed with the
        source. Nothing is kept of datasets, whose items may change.
        """
        if tuple(size) == self._size_at_hand or not self.is_constant:
            return
        shape = (len(self), self.n_channels, *size)
        if self._kept is not None and self._kept.shape == shape:
            return
        try:
            self._kept = _allocate(shape, self._dtype)
            self._was_read[:] = False
        except OSError as error:
            self._kept = None
            warn_user(
                f"Images of shape {shape} do not fit into the temporary folder "
                f"{tempfile.gettempdir()!r} ({error.strerror}) and are read again in "
                "every epoch. Set TMPDIR to a folder with more space."
            )

    def verify(self, size: Size, *, verbose: int = 0) -> None:
        """Read what has not been read yet, so that broken images show now."""
        size = size if self._kept is None else self._kept.shape[2:]
        unread = np.flatnonzero(~self._was_read)
        is_silent = not verbose or len(unread) == 0
        bar = tqdm(total=len(unread), desc="reading", unit="image", disable=is_silent)
        with bar:
            for start in range(0, len(unread), VERIFY_BATCH_SIZE):
                batch = unread[start : start + VERIFY_BATCH_SIZE]
                self.read(batch, size)
                bar.update(len(batch))
        self._raise_if_none()

    def part(self, indices: np.ndarray) -> Self:
        """Return some images as a source of their own, which a worker can be sent."""
        part = copy(self)
        part.__dict__.pop("fingerprint", None)
        part._numbers = self._numbers[indices]
        part._was_read = self._was_read[indices]
        known = self.unreadable
        part.unreadable = {k: known[i] for k, i in enumerate(indices) if i in known}
        if self.paths is not None:
            part.paths = [self.paths[i] for i in indices]
        part._kept = None
        if self._kept is not None and part._was_read.all():
            # A copy: the temporary file has no name by which a worker could open it.
            part._kept = np.array(self._kept[indices])
        part._take(indices)
        return part

    @abstractmethod
    def _take(self, indices: np.ndarray) -> None:
        """Keep some of the images only."""

    def note_unreadable(self, indices: np.ndarray, found: Mapping[int, str]) -> None:
        """Take over what a worker found of the part with these indices."""
        self.unreadable |= {int(indices[i]): reason for i, reason in found.items()}

    def describe(self, first: np.ndarray, last: np.ndarray) -> str:
        """Name the images from one part to another in an error."""
        return f"{self._name(first[0])} to {self._name(last[-1])}"

    def _raise_if_none(self) -> None:
        """Raise if not one image can be read."""
        if len(self.unreadable) == len(self):
            index, reason = next(iter(self.unreadable.items()))
            raise ValueError(
                f"None of the {len(self)} images can be read; {self._name(index)}: "
                f"{reason}."
            )

    def _name(self, index: int) -> str:
        """Return what an image is called in an error."""
        name = "" if self.paths is None else f" ({self.paths[index]})"
        return f"image {self._numbers[index]}{name}"


def _allocate(shape: tuple[int, ...], dtype: torch.dtype) -> np.ndarray:
    """Return zeros, in memory if they are small."""
    numpy_type = np.uint8 if dtype == torch.uint8 else np.float32
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes <= MEMORY_BYTES:
        return np.zeros(shape, numpy_type)  # pages take memory when they are filled
    with tempfile.TemporaryFile(prefix="mfavb-") as file:
        # A disk that is full later would end the process when a page is written.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        return np.memmap(file, numpy_type, "w+", shape=shape)
