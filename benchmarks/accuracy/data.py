"""Sets of images by name, or parts of them, with the features that go with them."""

import re
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

    images: NDArray[np.uint8] | list[str] | None  # None: features alone
    classes: NDArray[np.int64]  # -1 is a stranger, an image from another set
    features: dict[str, NDArray[np.float32]]  # by encoder

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """The images that are of a class of the set."""
        return self.classes >= 0

    @property
    def n_clusters(self) -> int:
        """The number of classes, which most methods are told."""
        return len(np.unique(self.classes[self.is_known]))

    @property
    def widths(self) -> tuple[int, ...]:
        """The columns of each encoder's features."""
        return tuple(array.shape[1] for array in self.features.values())

    def take(self, rows: NDArray[np.int64]) -> "Data":
        """Take some of the images."""
        images = self.images
        if isinstance(images, list):
            taken: NDArray | list[str] | None = [images[row] for row in rows]
        else:
            taken = None if images is None else images[rows]
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
        assert self.images is not None
        return _read_pixels(self.images)


# The set, how many of its classes, largest to smallest class, another set.
_NAME = re.compile(r"(.+?)(?::(\d+))?(?:-tail(\d+))?(?:\+(.+))?")


def load(
    dataset: str, seed: int, *, data_dir: Path | None, encoders: list[str], p: Profile
) -> Data:
    """Load a set, less what the profile, or the name of the set, leaves out.

    ``NAME:3`` are three classes that the seed draws. In ``NAME-tail10`` the sizes of
    classes fall exponentially, the largest being ten times the smallest; the seed draws
    which is which. Of ``NAME+OTHER`` a tenth are images of another set, which the seed
    draws too. ``NAME:3-tail10+OTHER`` is all of this.
    """
    matched = _NAME.fullmatch(dataset)
    assert matched is not None
    name, n_classes, ratio, other = matched.groups()
    data = _load_whole(name, data_dir, encoders)
    n_images = len(data.classes)
    if n_classes:
        rng = np.random.default_rng([int(n_classes), seed])
        chosen = rng.choice(np.unique(data.classes), int(n_classes), replace=False)
        data = data.take(np.flatnonzero(np.isin(data.classes, chosen)))
    if ratio:
        data = data.take(draw_tail(data.classes, int(ratio), seed))
    n_kept = p.sample_sizes.get(dataset, n_images)  # only of sets as they are
    if n_images > n_kept:
        rng = np.random.default_rng(0)
        data = data.take(np.sort(rng.permutation(n_images)[:n_kept]))
    if other:
        data = _add_strangers(data, _load_whole(other, data_dir, encoders), seed)
    return data


def draw_tail(classes: NDArray[np.int64], ratio: int, seed: int) -> NDArray[np.int64]:
    """Draw images so that the sizes of classes fall exponentially by a ratio.

    The largest class has as many images as the smallest one of all had before, and none
    less than two.
    """
    rng = np.random.default_rng(1000 + seed)
    names, sizes = np.unique(classes, return_counts=True)
    falls = np.linspace(0, -1, len(names))
    kept = [
        rng.permutation(np.flatnonzero(classes == names[place]))[:size]
        for place, size in zip(
            rng.permutation(len(names)),
            np.maximum(2, np.round(sizes.min() * float(ratio) ** falls)).astype(int),
            strict=True,
        )
    ]
    return np.sort(np.concatenate(kept))


def _load_whole(name: str, data_dir: Path | None, encoders: list[str]) -> Data:
    """Load all images of a set, with the features by every encoder."""
    loaded = load_image_set(name, data_dir)
    features = dict(_find_features(spec, name, loaded.features) for spec in encoders)
    return Data(loaded.images, loaded.target, features)


def _add_strangers(data: Data, others: Data, seed: int) -> Data:
    """Put images of another set among those of a set, one in ten of all."""
    if not data.features:
        raise MissingFeatures("images of two sets are compared by features alone")
    n_strangers = round(len(data.classes) / 9)
    drawn = np.random.default_rng(seed).permutation(len(others.classes))[:n_strangers]
    features = {
        name: np.concatenate([array, others.features[name][drawn]])
        for name, array in data.features.items()
    }
    classes = np.concatenate([data.classes, np.full(len(drawn), -1)])
    return Data(None, classes, features)


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
