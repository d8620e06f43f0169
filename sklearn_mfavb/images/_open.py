"""Images of every accepted kind, made into a source."""

import math
import os
import warnings
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from PIL import Image

from sklearn_mfavb.images._arrays import (
    Array,
    as_array,
    as_items,
    as_numbers,
    is_sparse,
    iterate_chunks,
    take,
)
from sklearn_mfavb.images._files import FileSource
from sklearn_mfavb.images._folders import list_images, summarize_ignored
from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._items import DatasetSource, ItemSource
from sklearn_mfavb.images._layout import batch_layout, fitted_layout, row_layout
from sklearn_mfavb.images._pixels import (
    check_pixels,
    learn_range,
    measure_range,
    range_of,
)
from sklearn_mfavb.images._reading import Reading
from sklearn_mfavb.images._source import ArraySource, ImageSource

ACCEPTED = (
    "an array of images or rows, a folder, or a list of paths, of PIL images or of "
    "arrays, or a map-style torch dataset"
)


def open_images(
    X: Any, *, reading: Reading | None = None, format: ImageFormat | None = None
) -> ImageSource:
    """Open images of any kind, to be read batch by batch.

    Nothing is copied whole, and of files only the headers are read.

    Parameters
    ----------
    X : array-like, path, sequence or dataset
        One of

        - an array, memory map, tensor or array of h5py or zarr, of shape (n, height,
          width), (n, height, width, n_channels) or (n, n_channels, height, width), or
          rows of shape (n, n_features), also as a dataframe or a list of lists;
        - the path of a folder: all image files below it, sorted;
        - a sequence of paths, of PIL images, or of arrays that each are an image;
        - a map-style dataset (torch, Hugging Face) whose items are images, alone, first
          in a tuple, or in a dict as ``"image"`` or as the only image.

        Files are grayscale if all of them are, else RGB. Transparent parts become
        white, or black behind a drawing that is nearly white itself.
    reading : Reading, default=None
        How images are read. None: the defaults of `Reading`.
    format : ImageFormat, default=None
        Format of the images passed to `fit`. Images are read likewise, and of `reading`
        only `on_error` counts.

    Returns
    -------
    ImageSource

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import open_images
    >>> train = open_images(np.zeros((10, 3, 32, 32), dtype=np.uint8))
    >>> train.n_channels, train.image_size, train.format.pixel_range
    (3, (32, 32), (0.0, 255.0))
    >>> new = open_images(np.zeros((2, 3, 48, 48)), format=train.format)
    >>> new.read([0, 1], train.image_size).shape
    torch.Size([2, 3, 32, 32])
    """
    reading = Reading() if reading is None else reading
    reading._validate_params()
    if isinstance(X, (str, os.PathLike)):
        return _open_folder(X, reading, format)
    if is_sparse(X):
        raise TypeError("Sparse input is not supported: pass a dense array.")
    array = None if isinstance(X, (list, tuple)) else as_array(X)
    items = list(X) if isinstance(X, (list, tuple)) else as_items(array)
    if items is not None:
        return _open_sequence(items, reading, format)
    if array is not None:
        return _open_array(array, reading, format)
    if not _is_dataset(X):
        raise TypeError(_describe_unknown(X))
    if len(X) == 0:
        raise ValueError(_describe_empty((0,)))
    return DatasetSource(X, reading=reading, format=format)


def _open_folder(X: Any, reading: Reading, format: ImageFormat | None) -> ImageSource:
    """Open the image files below a folder."""
    paths, ignored = list_images(X, on_error=reading.on_error)
    source = FileSource(paths, reading=reading, format=format)
    source.ignored = ignored
    if ignored:
        warnings.warn(
            f"In {os.fspath(X)!r} {summarize_ignored(ignored)}",
            UserWarning,
            stacklevel=3,
        )
    return source


def _open_sequence(
    items: list[Any], reading: Reading, format: ImageFormat | None
) -> ImageSource:
    """Open a sequence, whose items must be of one kind."""
    if not items:
        raise ValueError(_describe_empty((0,)))
    kinds = {_kind(item) for item in items}
    if kinds <= {"path", "missing value"}:
        paths = ["" if _is_missing(path) else os.fspath(path) for path in items]
        return FileSource(paths, reading=reading, format=format)
    if kinds == {"PIL image"}:
        return ItemSource(items, reading=reading, format=format)
    if kinds == {"array"}:
        return _open_arrays(items, reading, format)
    if kinds in ({"number"}, {"list"}):
        try:
            array = np.asarray(items)
        except ValueError as error:
            raise ValueError(
                f"X is a list of lists that do not make an array: {error}"
            ) from error
        return _open_array(array, reading, format)
    raise TypeError(
        f"X is a sequence of {' and '.join(sorted(kinds))}, but expected {ACCEPTED}; "
        "all items must be of one kind."
    )


def _open_arrays(
    items: list[Any], reading: Reading, format: ImageFormat | None
) -> ImageSource:
    """Open a list of arrays: as one array if all shapes are the same."""
    arrays = [as_array(item) for item in items]
    shapes = {tuple(array.shape) for array in arrays if array is not None}
    if len(shapes) > 1 or () in shapes:  # single numbers are refused one by one
        return ItemSource(items, reading=reading, format=format)
    in_memory = [take(array, slice(None)) for array in arrays if array is not None]
    return _open_array(np.stack(in_memory), reading, format)


def _open_array(
    array: Array, reading: Reading, format: ImageFormat | None
) -> ImageSource:
    """Open rows or images in one array, whose values are checked."""
    images = as_numbers(array)
    shape = tuple(images.shape)
    _check_shape(shape)
    dtype = take(images, slice(0, 0)).dtype
    fitted = format
    if fitted is None:
        if len(shape) == 2:
            layout = row_layout(shape[1], reading.image_shape, reading.channel_axis)
        else:
            layout = batch_layout(shape, reading.channel_axis)
        learned = learn_range(
            reading.pixel_range, dtype, lambda: measure_range(iterate_chunks(images))
        )
        fitted = ImageFormat(*layout, *learned, reading.resize)
    else:
        layout = fitted_layout(shape, fitted)
    if format is not None or not fitted.accepts_any_value:
        check_pixels(
            iterate_chunks(images),
            dtype,
            rule=fitted.pixel_rule,
            pixel_range=range_of(dtype, fitted),
            are_rows=format is None and len(shape) == 2 and not reading.image_shape,
        )
    return ArraySource(images, format=fitted, layout=layout)


def _check_shape(shape: tuple[int, ...]) -> None:
    """Raise for arrays that are neither rows nor images, or empty."""
    if len(shape) not in (2, 3, 4):
        raise ValueError(
            f"X has {len(shape)} dimension(s), shape {shape}, but rows (n, n_features) "
            "or images (n, height, width), (n, height, width, n_channels) or "
            "(n, n_channels, height, width) are expected. Reshape your data: "
            "one row is X.reshape(1, -1)."
        )
    if 0 in shape:
        raise ValueError(_describe_empty(shape))


def _kind(item: Any) -> str:
    """Return a word for what an item of a sequence is."""
    if isinstance(item, (str, os.PathLike)):
        return "path"
    if isinstance(item, Image.Image):
        return "PIL image"
    if _is_missing(item):
        return "missing value"
    if isinstance(item, Number):
        return "number"
    if isinstance(item, (list, tuple)):
        return "list"
    return type(item).__name__ if as_array(item) is None else "array"


def _is_missing(item: Any) -> bool:
    """Whether an item is None, NaN, or pandas' NA or NaT."""
    is_nan = isinstance(item, float) and math.isnan(item)
    return item is None or is_nan or type(item).__name__ in ("NAType", "NaTType")


def _is_dataset(X: Any) -> bool:
    """Whether X is a map-style dataset: items by number, and a length."""
    is_indexed = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    is_other = isinstance(X, (Mapping, bytes, bytearray, Image.Image, type))
    return is_indexed and not is_other


def _describe_empty(shape: tuple[int, ...]) -> str:
    """Return, in scikit-learn's words, that there are no images or no pixels."""
    noun = "feature(s)" if shape[0] else "sample(s)"
    return (
        f"Found array with 0 {noun} (shape={shape}) while a minimum of 1 is required."
    )


def _describe_unknown(X: Any) -> str:
    """Return what was seen, and how the same images can be passed."""
    seen = f"X is of type {type(X).__name__}, but expected {ACCEPTED}."
    if isinstance(X, Image.Image):
        return f"{seen} Pass one image as [image]."
    if isinstance(X, Mapping) and X and all(map(_is_dataset, X.values())):
        name = next(iter(X))
        return f"{seen} It holds the datasets {list(X)}: pass one, as X[{name!r}]."
    if isinstance(X, torch.utils.data.IterableDataset) or hasattr(X, "__iter__"):
        return f"{seen} A map-style dataset has __len__ and __getitem__."
    return seen
