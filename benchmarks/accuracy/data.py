"""Sets of images by name, or parts of them, with the features that go with them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from benchmarks.accuracy.profiles import Profile
from benchmarks.image_sets import load_image_set

__all__ = ["Data", "MissingFeatures", "load"]


class MissingFeatures(Exception):
    """A set has no features of a name, and there is no file of them."""


class Data(NamedTuple):
    """The images that are clustered, and what goes with them."""

    images: NDArray[np.uint8] | list[str]
    classes: NDArray[np.int64]
    features: dict[str, NDArray[np.float32]]  # by encoder

    @property
    def n_clusters(self) -> int:
        """The number of classes, which every method is told."""
        return len(np.unique(self.classes))

    def take(self, rows: NDArray[np.int64]) -> "Data":
        """Take some of the images."""
        images = self.images
        if isinstance(images, list):
            taken: NDArray | list[str] = [images[row] for row in rows]
        else:
            taken = images[rows]
        features = {name: array[rows] for name, array in self.features.items()}
        return Data(taken, self.classes[rows], features)

    def rows(self) -> NDArray[np.float32]:
        """Lay out what pipelines see: features, or pixels in [0, 1].

        Features of several encoders are made unit rows, and put side by side.
        """
        if len(self.features) > 1:
            return np.hstack([normalize(array) for array in self.features.values()])
        if self.features:
            return next(iter(self.features.values()))
        return _read_pixels(self.images)


def load(
    dataset: str, seed: int, *, data_dir: Path | None, encoders: list[str], p: Profile
) -> Data:
    """Load a set, less what the profile, or the name of the set, leaves out.

    ``NAME:3`` are three classes that the seed draws, and ``NAME-longtail`` the images
    whose numbers are in the file ``longtail/NAME.npy`` of the folder of data.
    """
    name, _, n_classes = dataset.removesuffix("-longtail").partition(":")
    loaded = load_image_set(name, data_dir)
    features = dict(_find_features(spec, name, loaded.features) for spec in encoders)
    data = Data(loaded.images, loaded.target, features)
    n_images = len(data.classes)
    if dataset.endswith("-longtail"):
        assert data_dir is not None
        data = data.take(np.load(data_dir / "longtail" / f"{name}.npy"))
    elif n_classes:
        rng = np.random.default_rng([int(n_classes), seed])
        chosen = rng.choice(np.unique(data.classes), int(n_classes), replace=False)
        data = data.take(np.flatnonzero(np.isin(data.classes, chosen)))
    elif n_images > (n_kept := p.sample_sizes.get(name, n_images)):
        rng = np.random.default_rng(0)
        data = data.take(np.sort(rng.permutation(n_images)[:n_kept]))
    return data


def _find_features(spec: str, name: str, stored: dict) -> tuple[str, NDArray]:
    """Find the features of one encoder: ``NAME`` in the set's file, or ``NAME=FILE``.

    In FILE, ``{dataset}`` stands for the name of the set.
    """
    encoder, _, path = spec.partition("=")
    if path:
        array = np.load(path.format(dataset=name))
    elif encoder in stored:
        array = stored[encoder]
    else:
        raise MissingFeatures(f"{name} has no features {encoder!r}")
    return encoder, np.asarray(array, dtype=np.float32)


def _read_pixels(images: NDArray[np.uint8] | list[str], side: int = 16) -> NDArray:
    """Average images down to a small side, one row for each."""
    import torch

    from sklearn_mfavb.images import open_images
    from sklearn_mfavb.neighbors import pixel_features

    source = open_images(images)
    blocks = np.array_split(np.arange(len(source)), -(-len(source) // 1024))
    pixels = [source.read(block, source.image_size) for block in blocks]
    return torch.cat([pixel_features(p, max_side=side) for p in pixels]).numpy()
