"""What fit learned about how to read images, for predict to reuse."""

import math
from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
PixelRule = Literal["auto", "fixed", "data"]


@dataclass(frozen=True)
class ImageFormat:
    """Say how numbers become images: their layout and the range of their pixels.

    Built by :func:`check_images`; hand it back to :func:`check_images` to read new
    images the same way. It holds plain values only, so it pickles and serialises.

    Attributes
    ----------
    image_shape : tuple of int
        Shape of one image as it lies in the input: (height, width),
        (height, width, n_channels) or (n_channels, height, width). For pictures of
        different sizes, height and width are medians.
    channel_axis : {1, -1} or None
        Axis of the channels in a batch of images. None means that the input had no
        such axis, or that its pictures need not agree about it.
    pixel_range : tuple of float
        The values (low, high) that are read as black and white.
    pixel_rule : {"auto", "fixed", "data"}
        "auto": every input's own type says its range, 0 to 255 for 8 bits and 0 to 1
        for floats. "fixed": `pixel_range`, and values outside are an error. "data":
        `pixel_range` was learned, and values outside are extrapolated.

    Examples
    --------
    >>> from sklearn_mfavb.images import ImageFormat
    >>> fitted = ImageFormat((3, 28, 24), 1, (0.0, 255.0), "auto")
    >>> fitted.n_channels, fitted.image_size, fitted.n_features
    (3, (28, 24), 2016)
    """

    image_shape: tuple[int, ...]
    channel_axis: int | None
    pixel_range: tuple[float, float]
    pixel_rule: PixelRule

    @property
    def n_channels(self) -> int:
        """Number of channels of every image."""
        if len(self.image_shape) == 2:
            return 1
        return self.image_shape[0 if self.channel_axis == 1 else -1]

    @property
    def image_size(self) -> Size:
        """Native height and width in pixels."""
        first = 1 if self.channel_axis == 1 else 0
        return self.image_shape[first], self.image_shape[first + 1]

    @property
    def n_features(self) -> int:
        """Length of an image that is flattened to a row."""
        return math.prod(self.image_shape)

    @property
    def accepts_any_value(self) -> bool:
        """Whether values outside `pixel_range` are allowed."""
        return self.pixel_rule == "data"
