"""The one door for images: tell the kind of input and make its source."""

import os
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import torch
from PIL import Image

from sklearn_mfavb.images._arrays import (
    as_array,
    is_sparse,
    make_array_source,
    no_samples,
)
from sklearn_mfavb.images._files import FileSource, list_images
from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._items import make_dataset_source, make_item_source
from sklearn_mfavb.images._options import ReadingOptions, check_options
from sklearn_mfavb.images._pixels import take
from sklearn_mfavb.images._source import ImageSource

ACCEPTED = (
    "an array of images or rows, a folder, or a list of paths, of PIL images or of "
    "arrays, or a map-style torch dataset"
)


def check_images(
    X: Any,
    *,
    image_shape: Sequence[int] | None = None,
    channel_axis: int | None = None,
    pixel_range: str | Sequence[float] = "auto",
    on_error: str = "raise",
    format: ImageFormat | None = None,
) -> ImageSource:
    """Make one checked batch source of whatever holds the images.

    Nothing is copied whole: arrays and memory maps are scanned in chunks and read batch
    by batch, and of files only the headers are read here.

    Parameters
    ----------
    X : array-like, path, sequence or dataset
        One of

        - an array, memory map or tensor of shape (n, height, width),
          (n, height, width, n_channels) or (n, n_channels, height, width), or rows of
          shape (n, n_features), which may also be a dataframe or a list of lists;
        - the path of a folder: all image files below it, sorted;
        - a sequence of paths, of PIL images, or of arrays that each are an image;
        - a map-style ``torch.utils.data.Dataset`` whose items are images, alone, first
          in a tuple, or under ``"image"`` in a dict.

        Pictures are grey if all of them are, else RGB; transparency becomes white.
    image_shape : tuple of int, default=None
        Shape of one image if X has rows: (height, width), (height, width, n_channels)
        or (n_channels, height, width). One length may be -1. With height 1, as in
        (1, -1), rows are features rather than pictures and may have any values. None
        means a square grey image, else a square RGB one. Ignored for other input.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a batch of images, for any number of channels. None
        finds 1, 3 or 4 channels at the last axis or axis 1, if only one of them fits.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        The values (low, high) of black and white in arrays. "auto" takes uint8 as 0 to
        255, bool and floats as 0 to 1. "data" learns the smallest and largest value and
        extrapolates later ones.
    on_error : {"raise", "skip"}, default="raise"
        What an image that cannot be read means: an error, or zeros and an entry in
        ``source.unreadable``.
    format : ImageFormat, default=None
        Format of an earlier source, for reading new images in the same way; the
        parameters `image_shape`, `channel_axis` and `pixel_range` are then ignored.

    Returns
    -------
    source : ImageSource
        The images, to be read batch by batch.

    Raises
    ------
    TypeError
        If X is of no accepted kind, mixes kinds, or is sparse.
    ValueError
        If a shape or the pixel values are unclear, X is empty or contains NaN or
        infinity, X does not fit `format`, or an image cannot be read.
    FileNotFoundError
        If a folder or file is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import check_images
    >>> train = check_images(np.zeros((10, 3, 32, 32), dtype=np.uint8))
    >>> train.n_channels, train.image_size, train.format.pixel_range
    (3, (32, 32), (0.0, 255.0))
    >>> larger = np.zeros((2, 3, 48, 48), dtype=np.uint8)
    >>> new = check_images(larger, format=train.format)
    >>> new.read([0, 1], train.image_size).shape
    torch.Size([2, 3, 32, 32])
    """
    options = check_options(
        image_shape=image_shape,
        channel_axis=channel_axis,
        pixel_range=pixel_range,
        on_error=on_error,
        format=format,
    )
    if isinstance(X, (str, os.PathLike)):
        return FileSource(list_images(X), options=options)
    if is_sparse(X):
        raise TypeError("Sparse input is not supported: pass a dense array.")
    if isinstance(X, (list, tuple)):
        return _make_sequence_source(list(X), options)
    array = as_array(X)
    if array is not None and _holds_objects(array):
        return _make_sequence_source(list(array), options)
    if array is not None:
        return make_array_source(array, options=options)
    if _is_dataset(X):
        if len(X) == 0:
            raise ValueError(no_samples((0,)))
        return make_dataset_source(X, options=options)
    raise TypeError(_unknown_input(X))


def _make_sequence_source(items: list[Any], options: ReadingOptions) -> ImageSource:
    """Return the source of a sequence, whose items must be of one kind."""
    if not items:
        raise ValueError(no_samples((0,)))
    kinds = sorted({_kind(item) for item in items})
    if len(kinds) > 1 or kinds[0] not in SEQUENCES:
        raise TypeError(
            f"X is a sequence of {' and '.join(kinds)}, but expected {ACCEPTED}; all "
            "items must be of one kind."
        )
    return SEQUENCES[kinds[0]](items, options)


def _kind(item: Any) -> str:
    """Return a word for what an item of a sequence is."""
    if isinstance(item, (str, os.PathLike)):
        return "path"
    if isinstance(item, Image.Image):
        return "PIL image"
    if isinstance(item, Number):
        return "number"
    if isinstance(item, (list, tuple)):
        return "list"
    return type(item).__name__ if as_array(item) is None else "array"


def _from_paths(paths: list[Any], options: ReadingOptions) -> ImageSource:
    return FileSource([os.fspath(path) for path in paths], options=options)


def _from_pictures(images: list[Any], options: ReadingOptions) -> ImageSource:
    return make_item_source(images, options=options)


def _from_arrays(images: list[Any], options: ReadingOptions) -> ImageSource:
    """Return one array's source if all shapes are the same."""
    arrays = [as_array(image) for image in images]
    if len({array.shape for array in arrays if array is not None}) > 1:
        return make_item_source(images, options=options)
    in_memory = [
        take(array[None], slice(0, 1))[0] for array in arrays if array is not None
    ]
    return make_array_source(np.stack(in_memory), options=options)


def _from_numbers(rows: list[Any], options: ReadingOptions) -> ImageSource:
    """Return the source of nested lists of numbers."""
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ValueError(
            f"X is a list of lists that do not make an array: {error}"
        ) from error
    return make_array_source(array, options=options)


SEQUENCES = {
    "path": _from_paths,
    "PIL image": _from_pictures,
    "array": _from_arrays,
    "number": _from_numbers,
    "list": _from_numbers,
}


def _holds_objects(array: np.ndarray | torch.Tensor) -> bool:
    """Whether an array is a plain sequence: of paths, pictures or other arrays."""
    # Kinds O, U and T: objects, and strings of fixed and of variable length.
    return (
        isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "OUT"
    )


def _is_dataset(X: Any) -> bool:
    """Whether X is a map-style dataset: items by number, and a length."""
    is_indexed = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    is_other = isinstance(X, (Mapping, bytes, bytearray, Image.Image, type))
    return is_indexed and not is_other


def _unknown_input(X: Any) -> str:
    """Say what was seen, and how the same images can be passed."""
    seen = f"X is of type {type(X).__name__}, but expected {ACCEPTED}."
    if isinstance(X, Image.Image):
        return f"{seen} Pass one image as [image]."
    if isinstance(X, torch.utils.data.IterableDataset) or hasattr(X, "__iter__"):
        return f"{seen} A map-style dataset has __len__ and __getitem__."
    return seen
