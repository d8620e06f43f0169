"""Images, labels and features in one file of arrays."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.datasets._labeled import LabeledImages


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
