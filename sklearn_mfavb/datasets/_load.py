"""Labeled images from a file of arrays, or from one folder for each class."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import validate_params

from sklearn_mfavb.images import list_images


class LabeledImages(NamedTuple):
    """Images with their classes, which are for scoring only.

    Attributes
    ----------
    images : ndarray of uint8 of shape (n_samples, height, width[, 3]), or list of str
        The images, or the paths of their files: the estimators take either.
    target : ndarray of int64 of shape (n_samples,)
        The class of each image, from 0 to `n_classes - 1`.
    target_names : list of str
        The name of each class.
    source : str
        What was read from where, to report with results.
    features : mapping of str to ndarray of shape (n_samples, ...)
        What was stored with the images by name, such as their embeddings; often empty.
    """

    images: NDArray[np.uint8] | list[str]
    target: NDArray[np.int64]
    target_names: list[str]
    source: str
    features: Mapping[str, NDArray] = MappingProxyType({})


# Names of splits, one level above the classes in many archives.
SPLITS = frozenset({"test", "train", "training", "val", "valid", "validation"})


def read_class_folders(
    folder: Path, *, categories: Sequence[str] | None = None
) -> LabeledImages:
    """Return the paths below the class folders, labeled by the place of their class."""
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    names = categories or sorted(path.name for path in visible if path.is_dir())
    found = {name: _list_pictures(folder / name) for name in names}
    if categories is None:
        found = {name: paths for name, paths in found.items() if paths}
        if len(found) < 2:
            raise ValueError(
                f"{str(folder)!r} should hold two or more class folders with pictures, "
                f"but holds {len(found)}."
            )
        if {name.lower() for name in found} <= SPLITS:
            raise ValueError(
                f"The folders in {str(folder)!r} are splits, {', '.join(found)}, not "
                "classes: move or link the class folders of the splits to be clustered "
                f"into {str(folder)!r}."
            )
    elif empty := [name for name, paths in found.items() if not paths]:
        raise FileNotFoundError(
            f"{str(folder)!r} should hold pictures in {len(names)} class folders, but "
            f"none are in {', '.join(empty)}."
        )
    counts = [len(paths) for paths in found.values()]
    return LabeledImages(
        images=[path for paths in found.values() for path in paths],
        target=np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        target_names=list(found),
        source=f"class folders in {folder}",
    )


def _list_pictures(folder: Path) -> list[str]:
    """Return the sorted paths of all picture files below a folder, if there are any."""
    try:
        return list_images(folder)[0]
    except ValueError:
        return []


def read_npz(path: Path) -> LabeledImages:
    """Return the contents of a file."""
    arrays = _read_arrays(path)
    images, labels = arrays.pop("images"), arrays.pop("labels")
    source = arrays.pop("source", None)

    def require(is_right: bool, name: str, array: NDArray, expected: str) -> None:
        if not is_right:
            raise ValueError(
                f"{name!r} in {str(path)!r} is {array.dtype} of shape {array.shape}, "
                f"but should be {expected}."
            )

    is_picture = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    shapes = "(n_samples, height, width) or (n_samples, height, width, 3)"
    is_right = images.dtype == np.uint8 and is_picture
    require(is_right, "images", images, f"uint8 of shape {shapes}")
    is_row = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    expected = "one integer from 0 to n_classes - 1 for each image"
    require(is_row and not (labels < 0).any(), "labels", labels, expected)
    if len(images) != len(labels):
        raise ValueError(
            f"{str(path)!r} holds {len(images)} images but {len(labels)} labels."
        )
    target = labels.astype(np.int64)
    n_classes = int(target.max(initial=-1)) + 1
    names = arrays.pop("class_names", np.arange(n_classes))
    expected = f"one name for each label, and these go up to {n_classes - 1}"
    is_right = names.ndim == 1 and len(names) >= n_classes
    require(is_right, "class_names", names, expected)
    features = {name: array for name, array in arrays.items() if array.ndim >= 2}
    for name, array in features.items():
        n_rows = f"{len(array)} rows for {len(images)} images"
        expected = f"one row for each image: it has {n_rows}"
        require(len(array) == len(images), name, array, expected)
    return LabeledImages(
        images=images,
        target=target,
        target_names=[str(name) for name in names],
        source=str(path) if source is None else f"{source} ({path})",
        features=MappingProxyType(features),
    )


def _read_arrays(path: Path) -> dict[str, NDArray]:
    """Return all arrays of the file, which holds the two needed and no pickled one."""
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{str(path)!r} is not an archive of arrays: write it with "
            "numpy.savez_compressed(path, images=..., labels=..., class_names=...)."
        )
    arrays = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            try:
                arrays[name] = np.asarray(archive[name])
            except ValueError as error:
                raise ValueError(
                    f"The array {name!r} in {str(path)!r} cannot be read ({error}). "
                    "Arrays of Python objects are refused, as reading them could run "
                    f"code: save {name!r} as numbers, or as np.array(names, dtype=str)."
                ) from error
    missing = [name for name in ("images", "labels") if name not in arrays]
    if missing:
        raise ValueError(
            f"{str(path)!r} has no array {' and no array '.join(map(repr, missing))}, "
            f"but {sorted(arrays)}: 'images' and 'labels' are needed."
        )
    return arrays


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
        of any name with one row for each image. Nothing pickled is read.
    categories : list of str or None, default=None
        The class folders to read, in the order of their labels, as in
        :func:`sklearn.datasets.load_files`. None reads all, sorted by name.

    Returns
    -------
    labeled : LabeledImages
        Images of a folder are the paths of their files, in the order of their classes.

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
