"""Arrays of every make: which inputs are arrays, and are their entries numbers."""

import math
from numbers import Number
from typing import Any

import numpy as np
import torch

from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._layout import batch_layout, fitted_layout, row_layout
from sklearn_mfavb.images._options import ReadingOptions
from sklearn_mfavb.images._pixels import (
    check_range,
    choose_rule,
    iterate_chunks,
    learn_range,
    take,
)
from sklearn_mfavb.images._source import ArraySource

Array = np.ndarray | torch.Tensor


def is_table(X: Any) -> bool:
    """Tell whether the input is rows of features, not pictures.

    An estimator passes such input through scikit-learn's ``validate_data`` first, which
    learns ``n_features_in_`` and the feature names.

    Parameters
    ----------
    X : object
        Anything that may be given to ``fit``.

    Returns
    -------
    is_table : bool
        True for two-dimensional arrays and dataframes, and for lists of rows of
        numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import is_table
    >>> is_table([[0.0, 0.5], [0.25, 1.0]]), is_table(np.zeros((5, 8, 8)))
    (True, False)
    """
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and _is_row(X[0])
    array = None if is_sparse(X) else as_array(X)
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        return False
    # scikit-learn has its own words for complex numbers and for objects.
    return array.dtype.kind in "biufcO"


def as_array(X: Any) -> Array | None:
    """Return X as an array that shares its memory if it can; None if X is no array."""
    if isinstance(X, np.ndarray):
        return X
    if isinstance(X, torch.Tensor):
        return _as_numpy(X)
    # PIL images have __array_interface__ but not __array__.
    is_array_like = hasattr(X, "__array__") and not isinstance(X, (type, np.generic))
    return np.asarray(X) if is_array_like else None


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix of SciPy or a sparse tensor."""
    if isinstance(X, torch.Tensor):
        return X.layout != torch.strided
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def as_numbers(array: Array) -> Array:
    """Return an array of real numbers; raise for every other type of entry."""
    dtype = type_of(array)
    if dtype.kind == "c":
        raise ValueError("Complex data not supported: pass real numbers.")
    if dtype.kind == "O" and isinstance(array, np.ndarray):
        return array.astype(np.float64)
    if dtype.kind not in "biuf":
        raise TypeError(
            f"X is an array of type {dtype} and shape {tuple(array.shape)}, but pixels "
            "are numbers. For image files pass a list of paths, one per image."
        )
    return array


def type_of(array: Array) -> np.dtype:
    """Return the NumPy type that the entries have once they are read."""
    return take(array[None], slice(0, 0)).dtype


def no_samples(shape: tuple[int, ...]) -> str:
    """Say, in scikit-learn's words, that there are no images."""
    return (
        f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is "
        "required."
    )


def make_array_source(array: Array, *, options: ReadingOptions) -> ArraySource:
    """Return the source of rows or images in an array."""
    images = as_numbers(array)
    shape = tuple(images.shape)
    _check_shape(shape)
    dtype = type_of(images)
    fitted = options.format
    if fitted is None:
        fitted = _learn_format(images, dtype, options=options)
        image_shape, axis = fitted.image_shape, fitted.channel_axis
        value_range = fitted.pixel_range
    else:
        image_shape, axis = fitted_layout(shape, fitted)
        value_range = check_range(
            dtype,
            iterate_chunks(images),
            rule=fitted.pixel_rule,
            learned=fitted.pixel_range,
        )
    return ArraySource(
        images,
        format=fitted,
        image_shape=image_shape,
        channel_axis=axis,
        value_range=value_range,
    )


def _learn_format(
    images: Array, dtype: np.dtype, *, options: ReadingOptions
) -> ImageFormat:
    """Return the format of the images given to fit, whose pixels are checked."""
    is_rows = images.ndim == 2
    if is_rows:
        image_shape, axis = row_layout(
            images.shape[1],
            image_shape=options.image_shape,
            channel_axis=options.channel_axis,
        )
    else:
        image_shape, axis = batch_layout(
            tuple(images.shape), channel_axis=options.channel_axis
        )
    height = image_shape[1 if axis == 1 else 0]
    rule = choose_rule(options.pixel_range, is_strip=is_rows and height == 1)
    learned = learn_range(
        dtype, iterate_chunks(images), rule=rule, pixel_range=options.pixel_range
    )
    return ImageFormat(image_shape, axis, learned, rule)


def _check_shape(shape: tuple[int, ...]) -> None:
    """Raise for arrays that are neither rows nor images, or empty."""
    if len(shape) not in (2, 3, 4):
        raise ValueError(
            f"X has {len(shape)} dimension(s), shape {shape}, but rows (n, n_features) "
            "or images (n, height, width), (n, height, width, n_channels) or "
            "(n, n_channels, height, width) are expected. Reshape your data: "
            "one row is X.reshape(1, -1)."
        )
    if shape[0] == 0:
        raise ValueError(no_samples(shape))
    if math.prod(shape) == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )


def _as_numpy(images: torch.Tensor) -> Array:
    """Return a tensor in main memory as an array that shares it, others as they are."""
    images = images.detach()
    if images.device.type == "cpu" and images.dtype != torch.bfloat16:
        return images.numpy()
    return images


def _is_row(item: Any) -> bool:
    """Whether an item of a list is a row of numbers."""
    if isinstance(item, (list, tuple)):
        return len(item) == 0 or isinstance(item[0], Number)
    return isinstance(item, (np.ndarray, torch.Tensor)) and item.ndim == 1
