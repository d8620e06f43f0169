"""How images are read: the parameters, and what fit learns of axes and pixels."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Options, StrOptions

from sklearn_mfavb.parameters import ParameterGroup

Size = tuple[int, int]
Range = tuple[float, float]

BYTE_RANGE: Range = (0.0, 255.0)
UNIT_RANGE: Range = (0.0, 1.0)


class PixelRule(NamedTuple):
    """Values of black and white, and which others are allowed: see `ImageFormat`."""

    limits: Range
    kind: Literal["auto", "fixed", "data"]

    def range_of(self, dtype: np.dtype) -> Range:
        """Return the values of black and white in an array of this type."""
        return natural_range(dtype) if self.kind == "auto" else self.limits

    def keeps_bytes(self, dtype: np.dtype) -> bool:
        """Whether images can stay bytes on their way to the device."""
        return dtype == np.uint8 and self.range_of(dtype) == BYTE_RANGE

    def check(self, dtype: np.dtype, measure: Callable[[], Range]) -> Range:
        """Return the range of the values; raise if they cannot be pixels.

        They are not measured where the type alone says that they are right.
        """
        low, high = self.range_of(dtype)
        is_told_by_type = dtype in (np.uint8, np.bool_) and self.kind != "data"
        if is_told_by_type and low <= 0 and natural_range(dtype)[1] <= high:
            return low, high
        smallest, largest = measure()
        is_inside = low <= smallest and largest <= high
        is_integer_image = self.kind == "auto" and dtype.kind in "iu"
        if self.kind == "data" or (is_inside and not is_integer_image):
            return smallest, largest
        seen = f"X holds {dtype} values from {smallest:g} to {largest:g}"
        if self.kind == "fixed":
            raise ValueError(f"{seen}, but pixel_range is ({low:g}, {high:g}).")
        raise ValueError(
            f"{seen}, but images are read from uint8 (0 to 255) or floats in [0, 1]: "
            f"{_advice(dtype, smallest, largest)}. For rows of features pass "
            'encoder="precomputed".'
        )

    def scale(self, images: np.ndarray) -> torch.Tensor:
        """Return bytes as they are if they can stay, else floats with white as 1."""
        if self.keeps_bytes(images.dtype):
            return torch.from_numpy(np.require(images, requirements=["C", "W"]))
        low, high = self.range_of(images.dtype)
        if (low, high) != UNIT_RANGE:
            # In double precision: values far from zero would cancel in single.
            width = high - low if high > low else 1.0
            images = np.subtract(images, low, dtype=np.float64) / width
        return torch.from_numpy(np.require(images, np.float32, ["C", "W"]))


@dataclass(frozen=True)
class ImageFormat:
    """Layout of images, range of their pixels, and how they are resized.

    `image_shape` is that of one image (medians if the sizes differ) and `channel_axis`
    (1, -1 or None) the axis of the channels in a batch. `pixel_range` holds the values
    of black and white: with `pixel_rule` "fixed" others are an error, with "data" it
    was learned and others are extrapolated, and with "auto" it depends on the type, 0
    to 255 for uint8 and 0 to 1 for floats. `deep_range` is that of files with more than
    8 bits, if one was read.

    Examples
    --------
    >>> from sklearn_mfavb.images import ImageFormat
    >>> format = ImageFormat((3, 28, 24), 1, (0.0, 255.0), "auto")
    >>> format.n_channels, format.image_size
    (3, (28, 24))
    """

    image_shape: tuple[int, ...]
    channel_axis: int | None
    pixel_range: tuple[float, float]
    pixel_rule: Literal["auto", "fixed", "data"]
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
    def pixels(self) -> PixelRule:
        """How the values of arrays are read."""
        return PixelRule(self.pixel_range, self.pixel_rule)

    @property
    def deep_pixels(self) -> PixelRule:
        """How the values of files with more than 8 bits are read."""
        if self.pixel_rule == "fixed":
            return self.pixels
        return PixelRule(self.deep_range or UNIT_RANGE, "data")


class Reading(ParameterGroup):
    """How images are read.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Shape of the image in a row of `X` if `X` is two-dimensional: (height, width),
        (height, width, n_channels) or (n_channels, height, width). One entry may be -1.
        None: rows are square images, grayscale or RGB.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a four-dimensional `X`. None: the last axis if it has 1,
        3 or 4 entries, else axis 1; needed only if both could be meant.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        Values (black, white). ``"auto"``: (0, 255) for uint8, (0, 1) for floats; other
        values are an error. ``"data"``: the range of the images passed to `fit`. Files
        with 8 bits per channel are always read with (0, 255). Files with more share one
        range: with ``"auto"`` from 0 to the full scale of 8, 10, 12, 14 or 16 bits or
        to 1.0, the smallest that holds the values of all files passed to `fit`, else to
        their maximum.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to the size of the network.
        ``"crop"``: the shorter side fits and the center is kept, as pretrained encoders
        do. ``"pad"``: the longer side fits, and the rest is black. ``"stretch"``: the
        aspect ratio is given up.
    on_error : {"raise", "skip"}, default="raise"
        What happens to files that cannot be read. ``"raise"``: an error names the file.
        ``"skip"``: they are left out, labeled -1 and listed in ``skipped_``.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_shape": [tuple, list, None],
        "channel_axis": [Options(Integral, {1, -1}), None],
        "pixel_range": [StrOptions({"auto", "data"}), tuple, list],
        "resize": [StrOptions({"crop", "pad", "stretch"})],
        "on_error": [StrOptions({"raise", "skip"})],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...] | None = None,
        channel_axis: Literal[1, -1] | None = None,
        pixel_range: tuple[float, float] | Literal["auto", "data"] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.pixel_range = pixel_range
        self.resize = resize
        self.on_error = on_error

    def _validate_params(self) -> None:
        """Validate the parameters, their values included."""
        super()._validate_params()
        shape: Any = (1, 1) if self.image_shape is None else self.image_shape
        are_lengths = all(isinstance(n, Integral) and int(n) >= -1 and n for n in shape)
        if len(shape) not in (2, 3) or list(shape).count(-1) > 1 or not are_lengths:
            raise ValueError(
                "image_shape must be (height, width), (height, width, n_channels) or "
                "(n_channels, height, width), of positive integers and at most one -1, "
                f"got {self.image_shape!r}."
            )
        ends: Any = (0, 1) if isinstance(self.pixel_range, str) else self.pixel_range
        are_numbers = all(isinstance(end, Real) and math.isfinite(end) for end in ends)
        if len(ends) != 2 or not are_numbers or ends[0] >= ends[1]:
            raise ValueError(
                "pixel_range must be 'auto', 'data' or (low, high) with low < high, "
                f"got {self.pixel_range!r}."
            )


def learn_rule(given: Any, dtype: np.dtype, measure: Callable[[], Range]) -> PixelRule:
    """Return the rule of images in fit, for a value of pixel_range."""
    if not isinstance(given, str):
        return PixelRule((float(given[0]), float(given[1])), "fixed")
    if given == "data":
        return PixelRule(measure(), "data")
    return PixelRule(natural_range(dtype), "auto")


def natural_range(dtype: np.dtype) -> Range:
    """Return the range that images of this type have by convention."""
    return BYTE_RANGE if dtype == np.uint8 else UNIT_RANGE


def measure_range(chunks: Iterable[np.ndarray]) -> Range:
    """Return the smallest and largest value; raise for NaN and infinity."""
    return join_ranges(map(_extremes, chunks))


def _extremes(chunk: np.ndarray) -> Range:
    """Return the smallest and largest value of one array."""
    assert_all_finite(chunk, input_name="X")
    return float(chunk.min()), float(chunk.max())


def join_ranges(ranges: Iterable[Range]) -> Range:
    """Return the smallest and the largest value of all."""
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def _advice(dtype: np.dtype, smallest: float, largest: float) -> str:
    """Return what would be right for values that the automatic range refuses."""
    if smallest >= 0 and largest <= 255:
        remedy = "divide by 255" if dtype.kind == "f" else "use X.astype(np.uint8)"
        return f"{remedy} or pass pixel_range=(0, 255)"
    if smallest >= 0 and largest <= 65535:
        return "pass pixel_range=(0, 65535) for 16-bit images, or pixel_range='data'"
    if smallest >= -1 and largest <= 1:
        return "pass pixel_range=(-1, 1)"
    return "pass pixel_range=(low, high), or pixel_range='data' for the observed range"
