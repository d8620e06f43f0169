"""Layout rules: which axis holds the channels, and which image a row of numbers is."""

import math
from collections.abc import Set

import numpy as np

from sklearn_mfavb.images._format import ImageFormat

# Grey, colour, and colour with transparency: what an axis that short can mean.
CHANNEL_COUNTS = frozenset({1, 3, 4})


def find_channel_axis(
    image_shape: tuple[int, ...], *, channel_axis: int | None = None
) -> int | None:
    """Return the channels' axis in a batch (1 or -1), None for (height, width)."""
    if len(image_shape) == 2:
        return None
    if channel_axis is not None:
        return channel_axis
    fitting = _axes_of_length(image_shape, CHANNEL_COUNTS)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ValueError(
            f"Images of shape {image_shape} are ambiguous: the first and the last "
            "axis could both hold 1, 3 or 4 channels. Pass channel_axis=1 for channels "
            "first or channel_axis=-1 for channels last."
        )
    raise ValueError(
        f"Images of shape {image_shape} have no channel axis: 1, 3 or 4 channels are "
        "expected at the last or the first axis of an image. For another number of "
        "channels pass channel_axis=1 (first) or channel_axis=-1 (last)."
    )


def batch_layout(
    shape: tuple[int, ...], *, channel_axis: int | None
) -> tuple[tuple[int, ...], int | None]:
    """Return the image shape and channel axis of an array of 3 or 4 dimensions."""
    image_shape = shape[1:]
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise ValueError(
            f"X of shape {shape} looks like one colour image: pass X[None] for a batch "
            "of one. Grey images that narrow need a channel axis: X[..., None]."
        )
    return image_shape, find_channel_axis(image_shape, channel_axis=channel_axis)


def row_layout(
    n_features: int, *, image_shape: tuple[int, ...] | None, channel_axis: int | None
) -> tuple[tuple[int, ...], int | None]:
    """Return the image shape and channel axis of rows with n_features numbers."""
    if image_shape is None:
        shape = _square_shape(n_features)
        return shape, find_channel_axis(shape, channel_axis=-1)
    shape = _fill_in(image_shape, n_features)
    return shape, find_channel_axis(shape, channel_axis=channel_axis)


def fitted_layout(
    shape: tuple[int, ...], fitted: ImageFormat
) -> tuple[tuple[int, ...], int | None]:
    """Return the layout of a new array, which must suit the images given to fit."""
    if len(shape) == 2:
        if shape[1] != fitted.n_features:
            raise ValueError(
                f"X has {shape[1]} features, but the images given to fit have "
                f"{fitted.n_features}: their shape is {fitted.image_shape}."
            )
        return fitted.image_shape, _fitted_axis(fitted.image_shape, fitted)
    return shape[1:], _fitted_axis(shape[1:], fitted)


def find_item_axis(
    image_shape: tuple[int, ...],
    *,
    channel_axis: int | None,
    fitted: ImageFormat | None,
) -> int | None:
    """Return the channel axis of one image, by the fitted format if there is one."""
    if fitted is None:
        return find_channel_axis(image_shape, channel_axis=channel_axis)
    return _fitted_axis(image_shape, fitted)


def channels_first(images: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """View a batch as (batch_size, n_channels, height, width)."""
    if channel_axis is None:
        return images[:, None]
    return np.moveaxis(images, channel_axis, 1)


def _fitted_axis(image_shape: tuple[int, ...], fitted: ImageFormat) -> int | None:
    """Return the axis with the fitted number of channels, the fitted axis first."""
    n_channels = fitted.n_channels
    if len(image_shape) == 2 and n_channels == 1:
        return None
    fitting = _axes_of_length(image_shape, {n_channels})
    if len(image_shape) == 2 or not fitting:
        raise ValueError(
            f"Images of shape {image_shape} do not have the {n_channels} channel(s) of "
            "the images given to fit. A batch of one image is image[None]."
        )
    if fitted.channel_axis in fitting:
        return fitted.channel_axis
    # Pictures given to fit name no axis; where both fit, the last one is usual.
    return fitting[0]


def _axes_of_length(image_shape: tuple[int, ...], lengths: Set[int]) -> list[int]:
    """Return which of a batch's axes -1 and 1 could hold that many channels."""
    candidates = {-1: image_shape[-1], 1: image_shape[0]}
    return [axis for axis, length in candidates.items() if length in lengths]


def _square_shape(n_features: int) -> tuple[int, ...]:
    """Return the square grey or else square colour shape with n_features numbers."""
    side = math.isqrt(n_features)
    if side * side == n_features:
        return side, side
    side = math.isqrt(n_features // 3)
    if 3 * side * side == n_features:
        return side, side, 3
    raise ValueError(
        f"Rows of {n_features} features are neither a square grey nor a square RGB "
        "image: pass image_shape, such as (height, width), (height, width, 3), or "
        "(1, -1) for features that are not pictures."
    )


def _fill_in(image_shape: tuple[int, ...], n_features: int) -> tuple[int, ...]:
    """Return image_shape with its -1 inferred, once its product is n_features."""
    known = math.prod(length for length in image_shape if length != -1)
    inferred = n_features // known
    shape = tuple(inferred if length == -1 else length for length in image_shape)
    if math.prod(shape) != n_features or inferred < 1:
        raise ValueError(
            f"image_shape={image_shape} holds "
            f"{'a multiple of ' if -1 in image_shape else ''}{known} numbers, but the "
            f"rows of X have {n_features} features."
        )
    return shape
