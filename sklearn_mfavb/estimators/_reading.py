"""The reading half of every estimator: what the user passes in becomes a source."""

from dataclasses import field
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.images import (
    ImageDataset,
    ImageFormat,
    ImageSource,
    check_images,
    is_table,
)

# Larger images are read at this longest side unless image_size says otherwise: four
# views of 224 pixels through a network of its size take a CPU core minutes per epoch
# and thousand images, and small objects already show at 64.
_LONGEST_AUTO_SIDE = 64


@estimator
class ImageReader(BaseEstimator):
    """Parameters and methods that turn user input into an `ImageSource`.

    Parameters
    ----------
    image_size : int, tuple of int or "auto", default="auto"
        Side, or (height, width), in pixels at which images are seen. ``"auto"``: their
        own size, reduced to a longest side of 64 if that is larger (files of different
        sizes: their median). On a GPU, 224 is the literature's choice.
    image_shape : tuple of int, default=None
        Shape of the image in a row of `X` if `X` is two-dimensional: (height, width),
        (height, width, n_channels) or (n_channels, height, width); one entry may be
        -1. ``(1, -1)`` reads any row of features as a strip. None: rows are square,
        grey or RGB.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a four-dimensional `X`. None: the last axis if it is 1,
        3 or 4, else axis 1; needed only if both could be.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        Values (black, white). ``"auto"``: (0, 255) for uint8 and (0, 1) for floats, and
        anything else is an error; strips take the range of the data. ``"data"``: the
        range of the images passed to `fit`.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that cannot be read: raise an error that names the file,
        or leave them out, label them -1 and list them in `skipped_`.

    Attributes
    ----------
    image_size_ : tuple of int
        Height and width in pixels at which images are seen.
    image_format_ : ImageFormat
        How the images passed to `fit` were read; new images are read the same way.
    n_features_in_ : int
        Number of values per image passed to `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` was a dataframe with string names.
    """

    image_size: int | tuple[int, int] | Literal["auto"] = "auto"
    image_shape: tuple[int, ...] | None = None
    channel_axis: Literal[1, -1] | None = None
    pixel_range: tuple[float, float] | Literal["auto", "data"] = "auto"
    on_error: Literal["raise", "skip"] = "raise"
    image_format_: ImageFormat = field(init=False)
    image_size_: tuple[int, int] = field(init=False)

    _parameter_constraints: ClassVar[dict] = {
        "image_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            tuple,
            list,
        ],
        "image_shape": [tuple, list, None],
        "channel_axis": [Integral, None],
        "pixel_range": [StrOptions({"auto", "data"}), tuple, list],
        "on_error": [StrOptions({"raise", "skip"})],
    }

    def __sklearn_tags__(self) -> Tags:
        """Say what input is accepted, beyond rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _read_images(self, X: Any, *, reset: bool) -> ImageSource:
        """Check the input; with `reset`, learn its format, else hold it against it."""
        if is_table(X):
            X = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite=False
            )
        elif reset:
            self.__dict__.pop("feature_names_in_", None)
        if not reset:
            return check_images(X, format=self.image_format_, on_error=self.on_error)
        source = check_images(
            X,
            image_shape=self.image_shape,
            channel_axis=self.channel_axis,
            pixel_range=self.pixel_range,
            on_error=self.on_error,
        )
        self.n_features_in_ = source.format.n_features
        return source

    def _resolve_image_size(self, source: ImageSource) -> tuple[int, int]:
        """Choose the height and width in pixels at which the network sees images."""
        if isinstance(self.image_size, tuple | list):
            return _check_sides(self.image_size)
        if self.image_size != "auto":
            return int(self.image_size), int(self.image_size)
        height, width = source.image_size
        longest = max(height, width)
        if height == 1 or longest <= _LONGEST_AUTO_SIDE:
            return height, width
        scale = _LONGEST_AUTO_SIDE / longest
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _readable_dataset(
        self, source: ImageSource, size: tuple[int, int], n_clusters: int
    ) -> ImageDataset:
        """Read everything once and keep what can be read, if it is enough."""
        source.verify(size)
        return ImageDataset(source, size, indices=find_readable(source, n_clusters))


def _check_sides(image_size: Any) -> tuple[int, int]:
    """Return (height, width), or say what is wrong with it."""
    sides = tuple(image_size)
    if len(sides) != 2 or not all(
        isinstance(s, Integral) and int(s) > 0 for s in sides
    ):
        raise ValueError(
            "image_size must be 'auto', a positive int or (height, width) of two "
            f"positive ints, got {image_size!r}."
        )
    return int(sides[0]), int(sides[1])


def find_readable(source: ImageSource, n_clusters: int) -> NDArray[np.int64]:
    """List the images that have not turned out to be unreadable, if they are enough."""
    indices = np.setdiff1d(np.arange(len(source)), list(source.unreadable))
    if len(indices) < n_clusters:
        broken = f" ({len(source.unreadable)} more could not be read)"
        raise ValueError(
            f"n_samples={len(indices)} should be >= n_clusters={n_clusters}"
            f"{broken if source.unreadable else ''}: give more images or ask "
            "for fewer clusters."
        )
    return indices
