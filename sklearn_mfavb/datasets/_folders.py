"""Pictures in one folder for each class."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sklearn_mfavb.datasets._labelled import LabelledImages

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

# Names of splits, one level above the classes in many archives.
SPLITS = frozenset({"test", "train", "training", "val", "valid", "validation"})


def read_class_folders(
    folder: Path, *, class_folders: Mapping[str, str] | None = None
) -> LabelledImages | None:
    """Return the paths below the class folders, or None if there are less than two."""
    if not folder.is_dir():
        return None
    if class_folders:
        return _read_listed(folder, class_folders)
    found = {name: _list_pictures(folder / name) for name in _visible_folders(folder)}
    classes = {name: paths for name, paths in found.items() if paths}
    if len(classes) < 2:
        return None
    if {name.lower() for name in classes} <= SPLITS:
        raise ValueError(
            f"The folders in {str(folder)!r} are splits, {', '.join(classes)}, not "
            "classes: move or link the class folders of the splits to be clustered "
            f"into {str(folder)!r}."
        )
    return _label(folder, classes)


def _read_listed(folder: Path, class_folders: Mapping[str, str]) -> LabelledImages:
    """Return the paths below the listed folders only, all of which must be there."""
    classes = {
        name: _list_pictures(folder / part) for part, name in class_folders.items()
    }
    empty = [part for part, name in class_folders.items() if not classes[name]]
    if empty:
        raise FileNotFoundError(
            f"{str(folder)!r} should hold pictures in {len(class_folders)} class "
            f"folders, but none are in {', '.join(empty)}."
        )
    return _label(folder, classes)


def _label(folder: Path, classes: Mapping[str, list[str]]) -> LabelledImages:
    """Return all paths, labelled by the place of their class."""
    counts = [len(paths) for paths in classes.values()]
    return LabelledImages(
        images=[path for paths in classes.values() for path in paths],
        target=np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        target_names=list(classes),
        source=f"class folders in {folder}",
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
