"""Sources whose images are read one by one: decoding, caching, unreadable images."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._options import OnError
from sklearn_mfavb.images._source import Fit, ImageSource, Indices, resize

# Decoded images are kept while they fit: about 60,000 RGB images of 76 x 76 pixels.
# More would compete with the network for the memory of a small machine.
CACHE_BYTES = 2**30

VERIFY_BATCH_SIZE = 64


class Unreadable:
    """Decide what an image that cannot be read means: an error, or a note."""

    def __init__(self, on_error: OnError, *, names: list[str] | None = None) -> None:
        self.on_error = on_error
        self.names = names
        self.reasons: dict[int, str] = {}

    def describe(self, index: int) -> str:
        """Say which image it is."""
        name = "" if self.names is None else f" ({self.names[index]})"
        return f"image {index}{name}"

    def report(self, index: int, error: Exception) -> None:
        """Raise, or note the reason, for the image at index."""
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        if self.on_error == "skip":
            self.reasons[index] = reason
            return
        is_telling = isinstance(error, (FileNotFoundError, TypeError))
        kind = type(error) if is_telling else ValueError
        raise kind(
            f"Cannot read {self.describe(index)}: {reason}. Remove it, or pass "
            "on_error='skip'."
        ) from error

    def raise_if_all(self, n_images: int) -> None:
        """Raise if not one image can be read."""
        if len(self.reasons) == n_images:
            index, reason = next(iter(self.reasons.items()))
            raise ValueError(
                f"None of the {n_images} images can be read; "
                f"{self.describe(index)}: {reason}."
            )


@dataclass
class Cache:
    """Decoded images of one size."""

    size: Size
    images: torch.Tensor
    is_filled: np.ndarray


class PictureSource(ImageSource):
    """Read images one by one; a child class says how one of them is loaded."""

    #: Whether an image is the same each time it is loaded, so that it can be kept.
    is_constant = True

    def __init__(
        self,
        *,
        n_images: int,
        format: ImageFormat,
        image_size: Size,
        errors: Unreadable,
        paths: list[str] | None = None,
        dtype: torch.dtype = torch.uint8,
    ) -> None:
        super().__init__(format=format, image_size=image_size, paths=paths)
        self.unreadable = errors.reasons
        self._n_images = n_images
        self._errors = errors
        self._dtype = dtype
        self._cache: Cache | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return self._n_images

    @abstractmethod
    def load(self, index: int, size: Size) -> torch.Tensor:
        """Return image index as (n_channels, any height, any width)."""

    def read(self, indices: Indices, size: Size, *, fit: Fit = resize) -> torch.Tensor:
        """Read images and bring them to one size."""
        wanted = np.asarray(indices, dtype=np.int64)
        size = (int(size[0]), int(size[1]))
        if fit is not resize or not self._fits_cache(size):
            return self._load_batch(wanted, size, fit)
        if self._cache is None or self._cache.size != size:
            self._cache = self._make_cache(size)
        cache = self._cache
        missing = np.unique(wanted[~cache.is_filled[wanted]])
        if len(missing):
            cache.images[missing] = self._load_batch(missing, size, fit)
            cache.is_filled[missing] = True
        return cache.images[wanted]

    def verify(self, size: Size) -> None:
        """Read every image once, so that a broken one is found before training."""
        for start in range(0, len(self), VERIFY_BATCH_SIZE):
            stop = min(start + VERIFY_BATCH_SIZE, len(self))
            self.read(range(start, stop), size)
        self._errors.raise_if_all(len(self))

    def load_each(self, indices: list[int], size: Size, fit: Fit) -> list[torch.Tensor]:
        """Return the images one after another."""
        return [self.load_or_report(index, size, fit) for index in indices]

    def load_or_report(self, index: int, size: Size, fit: Fit) -> torch.Tensor:
        """Return an image of the size asked for; zeros if it is unreadable."""
        if index not in self.unreadable:
            try:
                return fit(self.load(index, size)[None], size)[0]
            # Pillow's readers and users' datasets raise errors of any kind.
            except Exception as error:
                self._errors.report(index, error)
        return torch.zeros((self.n_channels, *size), dtype=self._dtype)

    def _load_batch(self, indices: np.ndarray, size: Size, fit: Fit) -> torch.Tensor:
        """Return the images at indices as one new batch."""
        images = self.load_each(indices.tolist(), size, fit)
        if not images:
            return torch.zeros((0, self.n_channels, *size), dtype=self._dtype)
        return torch.stack(images)

    def _fits_cache(self, size: Size) -> bool:
        n_bytes = len(self) * self.n_channels * size[0] * size[1]
        is_bytes = self._dtype == torch.uint8
        return self.is_constant and is_bytes and n_bytes <= CACHE_BYTES

    def _make_cache(self, size: Size) -> Cache:
        """Return an empty cache; its zero pages take no memory before they are used."""
        images = torch.zeros((len(self), self.n_channels, *size), dtype=torch.uint8)
        return Cache(size, images, np.zeros(len(self), dtype=bool))


def median_size(sizes: list[Size]) -> Size:
    """Return the median height and the median width."""
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)
