"""Images of every accepted kind, made into a source."""

import math
import os
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
from PIL import Image

from sklearn_mfavb.folders import list_images, summarize_ignored
from sklearn_mfavb.images._arrays import ArraySource, describe_empty
from sklearn_mfavb.images._format import ImageFormat, Reading
from sklearn_mfavb.images._pictures import PictureSource
from sklearn_mfavb.images._source import ImageSource
from sklearn_mfavb.images._values import as_array, as_items, is_sparse
from sklearn_mfavb.warn import warn_user

ACCEPTED = (
    "an array of images or rows, a folder, or a list of paths, of PIL images or of "
    "arrays, or a map-style dataset, with __len__ and __getitem__"
)


def open_images(
    X: Any, *, reading: Reading | None = None, format: ImageFormat | None = None
) -> ImageSource:
    """Open images of any kind, to be read batch by batch.

    Nothing is copied whole, and of files only the headers are read. Files are grayscale
    if all of them are, else RGB. Transparent parts become white, or black behind a
    drawing that is nearly white itself.

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
    reading : Reading, default=None
        How images are read. None: the defaults of `Reading`.
    format : ImageFormat, default=None
        Format of the images passed to `fit`; of `reading` only `on_error` counts then.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.images import open_images
    >>> train = open_images(np.zeros((10, 3, 32, 32), dtype=np.uint8))
    >>> train.n_channels, train.image_size, train.format.pixel_range
    (3, (32, 32), (0.0, 255.0))
    """
    reading = Reading() if reading is None else reading
    reading._validate_params()
    if isinstance(X, (str, os.PathLike)):
        paths, ignored = list_images(X, on_error=reading.on_error)
        if ignored:
            warn_user(f"In {os.fspath(X)!r} {summarize_ignored(ignored)}")
        return PictureSource(paths, reading, format, are_paths=True)
    if is_sparse(X):
        raise TypeError("Sparse input is not supported: pass a dense array.")
    array = as_array(X)
    items = as_items(X if array is None else array)
    if items is not None:
        return _open_sequence(items, reading, format)
    if array is not None:
        return ArraySource(array, reading, format)
    is_indexed = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    if not is_indexed or isinstance(X, (Mapping, bytes, bytearray, Image.Image, type)):
        raise TypeError(_describe_unknown(X))
    if len(X) == 0:
        raise ValueError(describe_empty((0,)))
    return PictureSource(X, reading, format, is_constant=False)


def _open_sequence(
    items: list[Any], reading: Reading, format: ImageFormat | None
) -> ImageSource:
    """Open a sequence, whose items must be of one kind."""
    if not items:
        raise ValueError(describe_empty((0,)))
    kinds = {_kind(item) for item in items}
    if kinds <= {"path", "missing value"}:
        if len(items) > 1 and all(isinstance(i, str) and len(i) == 1 for i in items):
            raise ValueError(
                "X is single letters: cross-validation splits the path of a folder. "
                "Pass a list of files: sklearn_mfavb.images.list_images(folder)[0]."
            )
        paths = ["" if _kind(path) != "path" else os.fspath(path) for path in items]
        return PictureSource(paths, reading, format, are_paths=True)
    if kinds == {"array"}:
        items = [np.asarray(as_array(item)) for item in items]
        if len({item.shape for item in items}) == 1:
            return ArraySource(np.stack(items), reading, format)
    if kinds in ({"array"}, {"PIL image"}):
        return PictureSource(items, reading, format)
    if kinds in ({"number"}, {"list"}):
        return ArraySource(np.asarray(items), reading, format)
    raise TypeError(
        f"X is a sequence of {' and '.join(sorted(kinds))}, but expected {ACCEPTED}; "
        "all items must be of one kind."
    )


def _kind(item: Any) -> str:
    """Return a word for what an item of a sequence is."""
    if isinstance(item, (str, os.PathLike)):
        return "path"
    if isinstance(item, Image.Image):
        return "PIL image"
    is_nan = isinstance(item, float) and math.isnan(item)
    if item is None or is_nan or type(item).__name__ in ("NAType", "NaTType"):
        return "missing value"
    if isinstance(item, Number):
        return "number"
    if isinstance(item, (list, tuple)):
        return "list"
    return type(item).__name__ if as_array(item) is None else "array"


def _describe_unknown(X: Any) -> str:
    """Return what was seen, and how the same images can be passed."""
    seen = f"X is of type {type(X).__name__}, but expected {ACCEPTED}."
    if isinstance(X, Image.Image):
        return f"{seen} Pass one image as [image]."
    if isinstance(X, Mapping) and X:
        return f"{seen} Pass one of its values, as X[{next(iter(X))!r}]."
    return seen
