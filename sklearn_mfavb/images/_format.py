"""How images are read, as learned in fit and reused in predict."""

import math
from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
Range = tuple[float, float]
PixelRule = Literal["auto", "fixed", "data"]


@dataclass(frozen=True)
class ImageFormat:
    """Layout of images, range of their pixels, and how they are resized.

    Attributes
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width), (height, width, n_channels) or
        (n_channels, height, width). Medians if the sizes differ.
    channel_axis : {1, -1} or None
        Axis of the channels in a batch; None if there is none, or no one axis.
    pixel_range : tuple of float
        Values of black and white.
    pixel_rule : {"auto", "fixed", "data"}
        ``"auto"``: the range depends on the type, 0 to 255 for uint8 and 0 to 1 for
        floats. ``"fixed"``: `pixel_range`; other values are an error. ``"data"``:
        `pixel_range` was learned, and other values are extrapolated.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images are brought to another aspect ratio.
    deep_range : tuple of float, default=None
        Values of black and white in files with more than 8 bits per pixel. None: no
        such file has been read.

    Examples
    --------
    >>> from sklearn_mfavb.images import ImageFormat
    >>> format = ImageFormat((3, 28, 24), 1, (0.0, 255.0), "auto")
    >>> format.n_channels, format.image_size, format.n_features
    (3, (28, 24), 2016)
    """

    image_shape: tuple[int, ...]
    channel_axis: int | None
    pixel_range: tuple[float, float]
    pixel_rule: PixelRule
    resize: Literal["crop", "pad", "stretch"] = "crop"
    deep_range: tuple[float, float] | None = None

    @property
    def n_channels(self) -> int:
        """Number of channels of every image."""
        if len(self.image_shape) == 2:
            return 1
        return self.image_shape[0 if self.channel_axis == 1 else -1]

    @property
    def image_size(self) -> Size:
        """Height and width in pixels."""
        first = 1 if self.channel_axis == 1 else 0
        return self.image_shape[first], self.image_shape[first + 1]

    @property
    def n_features(self) -> int:
        """Number of values of one image."""
        return math.prod(self.image_shape)

    @property
    def accepts_any_value(self) -> bool:
        """Whether values outside `pixel_range` are allowed."""
        return self.pixel_rule == "data"
