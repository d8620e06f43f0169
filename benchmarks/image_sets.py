"""Load the image sets of the literature, whose protocols are in ``image_sets.csv``.

A set is read from ``DIR/NAME.npz`` or from the class folders in ``DIR/NAME`` (which may
be a link), as `sklearn_mfavb.datasets.load_images` does; otherwise by torchvision with
``root=DIR``, the splits merged as the protocol says. In the table, (?) is behind what
was written from memory and not checked against a source.
"""

import csv
import importlib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_mfavb.datasets import LabeledImages, load_digit_images, load_images

DIGITS = tuple("0123456789")

# Folders are WordNet's synsets; the names are shortened to the usual one.
IMAGENET_10 = {
    "n02056570": "king penguin",
    "n02085936": "Maltese dog",
    "n02128757": "snow leopard",
    "n02690373": "airliner",
    "n02692877": "airship",
    "n03095699": "container ship",
    "n04254680": "soccer ball",
    "n04285008": "sports car",
    "n04467665": "trailer truck",
    "n07747607": "orange",
}
IMAGENET_DOGS = {
    "n02085936": "Maltese dog",
    "n02086646": "Blenheim spaniel",
    "n02088238": "basset",
    "n02091467": "Norwegian elkhound",
    "n02097130": "giant schnauzer",
    "n02099601": "golden retriever",
    "n02101388": "Brittany spaniel",
    "n02101556": "clumber",
    "n02102177": "Welsh springer spaniel",
    "n02105056": "groenendael",
    "n02105412": "kelpie",
    "n02105855": "Shetland sheepdog",
    "n02107142": "Doberman",
    "n02110958": "pug",
    "n02112137": "chow",
}
# CIFAR-100's own grouping, in the order of its coarse labels, which torchvision drops.
CIFAR_100_SUPERCLASSES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def load_arrays(
    dataset: str,
    root: Path,
    download: bool,
    *,
    split_name: str = "train",
    splits: Sequence[Any] = (True, False),
    labels: str = "targets",
    class_names: Sequence[str] = (),
) -> LabeledImages:
    """Merge the splits of a set that torchvision holds in memory."""
    make = getattr(importlib.import_module("torchvision.datasets"), dataset)
    parts = [
        make(root=str(root), download=download, **{split_name: split})
        for split in splits
    ]
    target = np.concatenate([np.asarray(getattr(part, labels)) for part in parts])
    described = ", ".join(f"{split_name}={split}" for split in splits)
    return LabeledImages(
        images=np.concatenate([np.asarray(part.data) for part in parts]),
        target=target.astype(np.int64),
        target_names=list(class_names or parts[0].classes),
        source=f"torchvision's {dataset}, {described}, in {root}",
    )


def load_stl10(
    root: Path, download: bool, splits: Sequence[str] = ("train", "test")
) -> LabeledImages:
    """Merge labeled splits of STL-10, with the channels last."""
    loaded = load_arrays(
        "STL10",
        root,
        download,
        split_name="split",
        splits=splits,
        labels="labels",
    )
    return loaded._replace(images=np.moveaxis(np.asarray(loaded.images), 1, -1))


def load_cifar100_superclasses(
    root: Path, download: bool, splits: Sequence[bool] = (True, False)
) -> LabeledImages:
    """Merge splits of CIFAR-100, labeled by its 20 superclasses."""
    loaded = load_arrays("CIFAR100", root, download, splits=splits)
    superclass = {
        fine: index
        for index, members in enumerate(CIFAR_100_SUPERCLASSES.values())
        for fine in members.split()
    }
    coarse = np.array([superclass[name] for name in loaded.target_names])
    return loaded._replace(
        target=coarse[loaded.target], target_names=list(CIFAR_100_SUPERCLASSES)
    )


def load_folder(dataset: str, folder: str, root: Path, download: bool) -> LabeledImages:
    """Let torchvision find a set of files, and read all of its class folders."""
    getattr(importlib.import_module("torchvision.datasets"), dataset)(
        root=str(root), download=download
    )
    return load_images(root / folder)


# Where torchvision keeps files, inside folders that have the names of the sets.
FOLDERS = {"dtd": "dtd/dtd/images", "eurosat": "eurosat/2750"}
LOADERS: dict[str, Callable[[Path, bool], LabeledImages]] = {
    "cifar10": partial(load_arrays, "CIFAR10"),
    "cifar100_20": load_cifar100_superclasses,
    "stl10": load_stl10,
    "cifar10_train": partial(load_arrays, "CIFAR10", splits=(True,)),
    "cifar100_20_train": partial(load_cifar100_superclasses, splits=(True,)),
    "stl10_train": partial(load_stl10, splits=("train",)),
    "dtd": partial(load_folder, "DTD", FOLDERS["dtd"]),
    "eurosat": partial(load_folder, "EuroSAT", FOLDERS["eurosat"]),
    "fashion_mnist": partial(load_arrays, "FashionMNIST"),
    "mnist": partial(load_arrays, "MNIST", class_names=DIGITS),
    "usps": partial(load_arrays, "USPS", class_names=DIGITS),
}
CATEGORIES = {"imagenet10": IMAGENET_10, "imagenet_dogs": IMAGENET_DOGS}


def read_table() -> dict[str, dict[str, str]]:
    """Return what is known of each set, by name."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def load_image_set(
    name: str, data_dir: Path | None, *, download: bool = False
) -> LabeledImages:
    """Load a set of the literature, or a file or folder of that name."""
    if name == "digits":
        images, target = load_digit_images()
        return LabeledImages(images, target, list(DIGITS), "scikit-learn's load_digits")
    if data_dir is None:
        raise ValueError(f"data_dir=None, but {name!r} is read from files.")
    known = read_table().get(name)
    loaded = _load_local(name, data_dir)
    if loaded is None:
        loaded = _load_known(name, known, data_dir, download)
    if known is not None:
        _warn_if_unlike(known, loaded)
    return loaded


def _load_local(name: str, root: Path) -> LabeledImages | None:
    """Return the images of the file or folder of that name, or None."""
    if (root / f"{name}.npz").is_file():
        return load_images(root / f"{name}.npz")
    is_torchvisions = name in FOLDERS and (root / FOLDERS[name]).is_dir()
    if is_torchvisions or not (root / name).is_dir():
        return None
    if name not in CATEGORIES:
        return load_images(root / name)
    loaded = load_images(root / name, categories=list(CATEGORIES[name]))
    return loaded._replace(target_names=list(CATEGORIES[name].values()))


def _load_known(
    name: str, known: dict[str, str] | None, root: Path, download: bool
) -> LabeledImages:
    """Return what torchvision loads, or say how to obtain the images."""
    message = f"No file {name}.npz and no folder {name} is in {str(root)!r}. "
    if known is None:
        raise FileNotFoundError(f"{message}Known sets: {', '.join(read_table())}.")
    message += "Get {title} ({protocol}) from {owner}.".format(**known)
    if name not in LOADERS:
        raise FileNotFoundError(message)
    try:
        return LOADERS[name](root, download)
    # torchvision's ways to say that files are not there, or not whole.
    except (RuntimeError, FileNotFoundError) as error:
        if download:
            raise
        raise FileNotFoundError(f"{message} torchvision says: {error}") from error


def _warn_if_unlike(known: dict[str, str], loaded: LabeledImages) -> None:
    """Warn if the numbers are not those of the literature."""
    expected = tuple(int(known[key].split()[0]) for key in ("n_images", "n_classes"))
    found = len(loaded.target), len(loaded.target_names)
    if found != expected:
        warnings.warn(
            f"{known['title']} has {expected[0]} images of {expected[1]} classes in "
            f"the literature, but {found[0]} of {found[1]} were loaded "
            f"({loaded.source}): state so beside results.",
            stacklevel=3,
        )
