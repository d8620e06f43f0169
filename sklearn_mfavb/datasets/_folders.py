"""Images in one folder for each class."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sklearn_mfavb.datasets._labeled import LabeledImages

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
