"""Batch sources: one way to read images, whatever they are kept in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._layout import channels_first
from sklearn_mfavb.images._memory_maps import release_pages
from sklearn_mfavb.images._pixels import Range, scale, take

Indices = Sequence[int] | np.ndarray | torch.Tensor
Fit = Callable[[torch.Tensor, Size], torch.Tensor]


def resize(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Resize (batch_size, n_channels, height, width), antialiased; keep the type."""
    if images.shape[-2:] == tuple(size):
        return images
    # Bilinear, because bicubic overshoots: floats would leave [0, 1].
    return interpolate(images, size=tuple(size), mode="bilinear", antialias=True)


class ImageSource(ABC):
    """Read images batch by batch; what :func:`check_images` makes of any input.

    Attributes
    ----------
    n_channels : int
        Number of channels of every image that is read.
    image_size : tuple of int
        Native height and width in pixels; the median of each where they differ.
    paths : list of str or None
        The files behind the images; None when the images came from memory.
    format : ImageFormat
        How the input is read, to be reused for new images.
    has_one_size : bool
        Whether all images have the native `image_size`, so that reading at that size is
        a plain copy of every one of them.
    unreadable : dict of int to str
        Why an image could not be read, by its index. Filled while reading, and only
        with ``on_error="skip"``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import check_images
    >>> source = check_images(np.zeros((5, 8, 8, 3), dtype=np.uint8))
    >>> len(source), source.n_channels, source.image_size
    (5, 3, (8, 8))
    >>> source.read([0, 4], (16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """

    has_one_size = False

    def __init__(
        self, *, format: ImageFormat, image_size: Size, paths: list[str] | None = None
    ) -> None:
        self.format = format
        self.n_channels = format.n_channels
        self.image_size = image_size
        self.paths = paths
        self.unreadable: dict[int, str] = {}

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def read(self, indices: Indices, size: Size, *, fit: Fit = resize) -> torch.Tensor:
        """Read images and bring them to one size.

        Parameters
        ----------
        indices : sequence of int of length batch_size
            Which images, in any order.
        size : tuple of int
            Height and width in pixels. An image of another size is resized whole
            (antialiased, its aspect ratio is not kept); its own size is a plain copy.
        fit : callable, default=resize
            Bring images (batch_size, n_channels, any height, any width) to a size in
            another way, such as by a crop.

        Returns
        -------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            In main memory; uint8 when the native pixels have 8 bits, else float32
            with the pixel range scaled to [0, 1]. Unreadable images are zeros.

        Raises
        ------
        ValueError, FileNotFoundError
            If an image cannot be read and ``on_error="raise"``.
        """

    def verify(self, size: Size) -> None:
        """Read every image once, so that a broken one is found before training.

        Arrays were checked whole when the source was made: nothing is left to do.

        Parameters
        ----------
        size : tuple of int
            Height and width that will be read later; images kept in memory are kept
            at this size.

        Raises
        ------
        ValueError, FileNotFoundError
            If an image cannot be read and ``on_error="raise"``, or none can.
        """
        return None


class ArraySource(ImageSource):
    """Read images from an array, memory map or tensor, which is never copied whole."""

    has_one_size = True

    def __init__(
        self,
        images: np.ndarray | torch.Tensor,
        *,
        format: ImageFormat,
        image_shape: tuple[int, ...],
        channel_axis: int | None,
        value_range: Range,
    ) -> None:
        own = ImageFormat(image_shape, channel_axis, value_range, format.pixel_rule)
        super().__init__(format=format, image_size=own.image_size)
        self.images = images
        self._own_format = own

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def read(self, indices: Indices, size: Size, *, fit: Fit = resize) -> torch.Tensor:
        """Read images and bring them to one size."""
        own = self._own_format
        batch = take(self.images, np.asarray(indices, dtype=np.int64))
        release_pages(self.images)
        batch = batch.reshape(len(batch), *own.image_shape)
        batch = channels_first(batch, own.channel_axis)
        return fit(scale(batch, own.pixel_range), size)
