"""Sets that installed libraries can load: torchvision's, and scikit-learn's digits."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.datasets._classes import CIFAR_100_SUPERCLASSES, DIGITS
from sklearn_mfavb.datasets._folders import read_class_folders
from sklearn_mfavb.datasets._labelled import LabelledImages
from sklearn_mfavb.datasets._shapes import load_digit_images

TRAIN_AND_TEST: tuple[Mapping[str, Any], ...] = ({"train": True}, {"train": False})


def load_arrays(
    dataset: str,
    *,
    data_dir: Path,
    download: bool,
    splits: Sequence[Mapping[str, Any]] = TRAIN_AND_TEST,
    labels: str = "targets",
    class_names: Sequence[str] = (),
) -> LabelledImages:
    """Merge the splits of a set that torchvision holds in memory."""
    parts = [
        _open(dataset, data_dir=data_dir, download=download, **split)
        for split in splits
    ]
    target = np.concatenate([np.asarray(getattr(part, labels)) for part in parts])
    described = " and ".join(str(dict(split)) for split in splits)
    return LabelledImages(
        images=np.concatenate([np.asarray(part.data) for part in parts]),
        target=target.astype(np.int64),
        target_names=list(class_names or parts[0].classes),
        source=f"torchvision's {dataset}, {described}, in {data_dir}",
    )


def load_stl10(*, data_dir: Path, download: bool) -> LabelledImages:
    """Merge the labelled splits of STL-10, with the channels last."""
    loaded = load_arrays(
        "STL10",
        data_dir=data_dir,
        download=download,
        splits=({"split": "train"}, {"split": "test"}),
        labels="labels",
    )
    return loaded._replace(images=np.moveaxis(np.asarray(loaded.images), 1, -1))


def load_cifar100_superclasses(*, data_dir: Path, download: bool) -> LabelledImages:
    """Merge the splits of CIFAR-100, labelled by its 20 superclasses."""
    loaded = load_arrays("CIFAR100", data_dir=data_dir, download=download)
    return loaded._replace(
        target=_superclass_of(loaded.target_names)[loaded.target],
        target_names=list(CIFAR_100_SUPERCLASSES),
    )


def load_folder(
    dataset: str, folder: str, *, data_dir: Path, download: bool
) -> LabelledImages:
    """Let torchvision find a set of files, and read all of its class folders."""
    _open(dataset, data_dir=data_dir, download=download)
    loaded = read_class_folders(data_dir / folder)
    if loaded is None:
        raise RuntimeError(f"no class folders are in {str(data_dir / folder)!r}")
    return loaded


def load_digits(*, data_dir: Path | None, download: bool) -> LabelledImages:
    """Return scikit-learn's digits, for which no folder is needed."""
    images, target = load_digit_images()
    return LabelledImages(images, target, list(DIGITS), "scikit-learn's load_digits")


def _open(dataset: str, *, data_dir: Path, download: bool, **split: Any) -> Any:
    """Return the set of that name, made by torchvision, which is slow to import."""
    datasets = importlib.import_module("torchvision.datasets")
    return getattr(datasets, dataset)(root=str(data_dir), download=download, **split)


def _superclass_of(fine_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of the superclass of each fine class."""
    superclass = {
        fine: index
        for index, members in enumerate(CIFAR_100_SUPERCLASSES.values())
        for fine in members.split()
    }
    return np.array([superclass[name] for name in fine_names], dtype=np.int64)
