"""Labeled images from a file of arrays, or from one folder for each class."""

import os
from collections.abc import Sequence
from pathlib import Path

from sklearn.utils._param_validation import validate_params

from sklearn_mfavb.datasets._folders import read_class_folders
from sklearn_mfavb.datasets._labeled import LabeledImages
from sklearn_mfavb.datasets._npz import read_npz


@validate_params(
    {"path": [str, os.PathLike], "categories": [list, tuple, None]},
    prefer_skip_nested_validation=True,
)
def load_images(
    path: str | os.PathLike[str], *, categories: Sequence[str] | None = None
) -> LabeledImages:
    """Load labeled images from class folders, or from a file of arrays.

    Parameters
    ----------
    path : str or path-like
        A folder with the images of each class in a folder of its own, of which there
        must be two or more; or a file ``.npz`` with the arrays `images` (uint8) and
        `labels` (integers from 0), and optionally `class_names`, `source`, and features
        of any name with one row for each image.
    categories : list of str or None, default=None
        The class folders to read, in the order of their labels, as in
        :func:`sklearn.datasets.load_files`. None reads all, sorted by name.

    Returns
    -------
    labeled : LabeledImages
        `images`, `target`, `target_names`, `source` and `features`. Images of a folder
        are the paths of their files, in the order of their classes.

    Raises
    ------
    FileNotFoundError
        If `path`, or the images of a category, do not exist.
    ValueError
        If the file or folder does not hold what it should. Nothing pickled is read
        from ``.npz`` files.

    See Also
    --------
    make_shape_images : Images that need no file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_mfavb.datasets import load_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = np.zeros((4, 8, 8), dtype=np.uint8)
    ...     np.savez(Path(folder, "mine.npz"), images=images, labels=[0, 1, 1, 0])
    ...     load_images(Path(folder, "mine.npz")).target
    array([0, 1, 1, 0])
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return read_class_folders(place, categories=categories)
    if not place.exists():
        raise FileNotFoundError(
            f"path={str(path)!r} does not exist: it should be a folder of class "
            "folders, or a file .npz with the arrays images and labels."
        )
    if categories is not None:
        raise ValueError(
            f"categories={categories!r} should be None, as path={str(path)!r} is a "
            "file: categories are class folders."
        )
    return read_npz(place)
