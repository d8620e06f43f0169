"""Every image of a source through an encoder, or out of a store."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_mfavb.features._input import read_resized
from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.features._store import FeatureStore, Rows, hash_file, hash_images
from sklearn_mfavb.images import ImageSource

# From images, and whether they are resized for the encoder, to features.
Embed = Callable[[Tensor, bool], Tensor]


@dataclass(frozen=True)
class Extraction:
    """Features of the images of a source.

    `embed` is called for images whose features are not in the store, which takes them.
    """

    source: ImageSource
    embed: Embed
    preprocessing: Preprocessing
    feature_dim: int
    store: FeatureStore | None

    def run(self, batch_size: int, *, verbose: int) -> Rows:
        """Return the features of all images; rows of unreadable ones are NaN."""
        n_images, unit = len(self.source), "image"
        features = np.full((n_images, self.feature_dim), np.nan, dtype=np.float32)
        fill = self._fill if self.store is None else self._fill_with_store
        hidden = not verbose
        bar = tqdm(total=n_images, desc="encoding images", unit=unit, disable=hidden)
        with bar, self.store or nullcontext():
            for start in range(0, n_images, batch_size):
                batch = np.arange(start, min(start + batch_size, n_images))
                fill(features, self._readable(batch))
                bar.update(len(batch))
        features[list(self.source.unreadable)] = np.nan
        return features

    def _fill_with_store(self, features: Rows, batch: NDArray[np.int64]) -> None:
        """Fill in the features of a batch, from the store as far as it has them."""
        assert self.store is not None
        images, paths = None, self.source.paths
        if paths is None:
            images = self._read(batch)
            keys: list[Any] = hash_images(images)
        else:
            n_channels = self.source.n_channels
            keys = [hash_file(paths[i], n_channels=n_channels) for i in batch]
        key_of = dict(zip(batch.tolist(), keys, strict=True))
        found = {i: self.store.find(key) for i, key in key_of.items()}
        for i, row in found.items():
            features[i] = np.nan if row is None else row
        missing = np.flatnonzero([row is None for row in found.values()])
        if len(missing):
            images = None if images is None else images[missing]
            made = self._fill(features, batch[missing], images)
            made = [i for i in made if key_of[i] is not None]
            self.store.add([key_of[i] for i in made], features[made])

    def _fill(
        self, features: Rows, indices: NDArray[np.int64], images: Tensor | None = None
    ) -> list[int]:
        """Fill in the features of images, read here if need be; return which."""
        images = self._read(indices) if images is None else images
        # Reading shows which images are broken.
        readable = self._readable(indices)
        if len(readable):
            if len(readable) < len(indices):
                images = images[np.flatnonzero(np.isin(indices, readable))]
            rows = self.embed(images, not self.source.has_one_size)
            features[readable] = rows.cpu().numpy()
        return readable.tolist()

    def _readable(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the images that are known to be unreadable."""
        return np.setdiff1d(indices, list(self.source.unreadable))

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        """Read images: as they are if they have one size, else resized one by one."""
        if self.source.has_one_size:
            return self.source.read(indices, self.source.image_size)
        return read_resized(self.source, indices, self.preprocessing)
