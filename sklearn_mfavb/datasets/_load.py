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


class LabeledImages(NamedTuple):
    """Images with their classes, which are for scoring only.

    Attributes
    ----------
    images : ndarray of uint8 of shape (n_samples, height, width) or \
            (n_samples, height, width, 3), or list of str
        The images, or the paths of their files: the estimators take either.
    target : ndarray of int64 of shape (n_samples,)
        The class of each image, from 0 to `n_classes - 1`.
    target_names : list of str
        The name of each class.
    source : str
        What was read from where, to be stated beside results.
    features : mapping of str to ndarray of shape (n_samples, ...)
        What was stored with the images by name, such as their embeddings; often empty.
    """

    images: NDArray[np.uint8] | list[str]
    target: NDArray[np.int64]
    target_names: list[str]
    source: str
    features: Mapping[str, NDArray] = MappingProxyType({})


EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

# Names of splits, one level above the classes in many archives.
SPLITS = frozenset({"test", "train", "training", "val", "valid", "validation"})


def read_class_folders(
    folder: Path, *, categories: Sequence[str] | None = None
) -> LabeledImages:
    """Return the paths below the class folders, labeled by the place of their class."""
    names = _visible_folders(folder) if categories is None else list(categories)
    found = {name: _list_pictures(folder / name) for name in names}
    if categories is None:
        found = {name: paths for name, paths in found.items() if paths}
        _check_classes(folder, list(found))
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


def _check_classes(folder: Path, names: list[str]) -> None:
    """Raise unless the folders with pictures look like classes."""
    if len(names) < 2:
        raise ValueError(
            f"{str(folder)!r} should hold two or more class folders with pictures, but "
            f"holds {len(names)}."
        )
    if {name.lower() for name in names} <= SPLITS:
        raise ValueError(
            f"The folders in {str(folder)!r} are splits, {', '.join(names)}, not "
            "classes: move or link the class folders of the splits to be clustered "
            f"into {str(folder)!r}."
        )


def _visible_folders(folder: Path) -> list[str]:
    """Return the sorted names of the folders in a folder, without hidden ones."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def _list_pictures(folder: Path) -> list[str]:
    """Return the sorted paths of all picture files below a folder."""
    # Linked folders are followed, as collections are often assembled from links.
    return sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS
    )


def read_npz(path: Path) -> LabeledImages:
    """Return the contents of a file."""
    arrays = _read_arrays(path)
    images, target = _checked_images(path, arrays), _checked_labels(path, arrays)
    if len(images) != len(target):
        raise ValueError(
            f"{str(path)!r} holds {len(images)} images but {len(target)} labels."
        )
    known = ("images", "labels", "class_names", "source")
    further = {name: array for name, array in arrays.items() if name not in known}
    return LabeledImages(
        images=images,
        target=target,
        target_names=_checked_names(path, arrays, target),
        source=f"{arrays['source']} ({path})" if "source" in arrays else str(path),
        features=MappingProxyType(_checked_features(path, further, len(images))),
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


def _checked_images(path: Path, arrays: Mapping[str, NDArray]) -> NDArray[np.uint8]:
    """Return the images if they are 8-bit images, grayscale or in color."""
    images = arrays["images"]
    is_picture = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    if images.dtype != np.uint8 or not is_picture:
        raise ValueError(
            f"'images' in {str(path)!r} is {images.dtype} of shape {images.shape}: it "
            "should be uint8 of shape (n_samples, height, width) or (n_samples, "
            "height, width, 3)."
        )
    return images


def _checked_labels(path: Path, arrays: Mapping[str, NDArray]) -> NDArray[np.int64]:
    """Return the labels if they are one whole number from 0 for each image."""
    labels = arrays["labels"]
    is_row = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not is_row or (labels < 0).any():
        raise ValueError(
            f"'labels' in {str(path)!r} is {labels.dtype} of shape {labels.shape}: it "
            "should hold one integer from 0 to n_classes - 1 for each image."
        )
    return labels.astype(np.int64)


def _checked_names(
    path: Path, arrays: Mapping[str, NDArray], target: NDArray[np.int64]
) -> list[str]:
    """Return a name for each label; the label itself if the file has no names."""
    n_classes = int(target.max(initial=-1)) + 1
    names = arrays.get("class_names", np.arange(n_classes))
    if names.ndim != 1 or len(names) < n_classes:
        raise ValueError(
            f"'class_names' in {str(path)!r} has shape {names.shape}, but labels go up "
            f"to {n_classes - 1}: it should hold one name for each label."
        )
    return [str(name) for name in names]


def _checked_features(
    path: Path, arrays: Mapping[str, NDArray], n_images: int
) -> dict[str, NDArray]:
    """Return the arrays of two or more dimensions: they have one row for each image."""
    features = {name: array for name, array in arrays.items() if array.ndim >= 2}
    for name, array in features.items():
        if len(array) != n_images:
            raise ValueError(
                f"{name!r} in {str(path)!r} has {len(array)} rows for {n_images} "
                "images: features should have one row for each image."
            )
    return features


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
