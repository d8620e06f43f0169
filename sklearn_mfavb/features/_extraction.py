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

# From images, which are either resized for the encoder or of any one size, to features.
Embed = Callable[[Tensor, bool], Tensor]


def extract_features(
    source: ImageSource,
    embed: Embed,
    *,
    preprocessing: Preprocessing,
    feature_dim: int,
    batch_size: int,
    store: FeatureStore | None,
    verbose: int,
) -> Rows:
    """Embed every image of a source; rows of unreadable ones are NaN.

    `embed` is called for images whose features are not in the store, which takes them.
    """
    features = np.full((len(source), feature_dim), np.nan, dtype=np.float32)
    extraction = _Extraction(source, embed, preprocessing, store)
    bar = tqdm(
        total=len(source), desc="encoding images", unit="image", disable=not verbose
    )
    with bar, store or nullcontext():
        for start in range(0, len(source), batch_size):
            stop = min(start + batch_size, len(source))
            for index, row in extraction.rows(np.arange(start, stop)).items():
                features[index] = row
            bar.update(stop - start)
    features[list(source.unreadable)] = np.nan
    return features


@dataclass(frozen=True)
class _Extraction:
    """Features of one batch at a time."""

    source: ImageSource
    embed: Embed
    preprocessing: Preprocessing
    store: FeatureStore | None

    def rows(self, batch: NDArray[np.int64]) -> dict[int, Rows]:
        """Return the features of those images of a batch that can be read."""
        store, paths = self.store, self.source.paths
        batch = self._readable(batch)
        if store is None or not len(batch):
            return self._compute(batch)
        images = None
        if paths is None:
            images = self._read(batch)
            keys: list[Any] = hash_images(images)
        else:
            n_channels = self.source.n_channels
            keys = [hash_file(paths[i], n_channels=n_channels) for i in batch]
        found = [store.find(key) for key in keys]
        missing = np.flatnonzero([row is None for row in found])
        made = self._compute(
            batch[missing], images if images is None else images[missing]
        )
        kept = {
            keys[k]: made[i]
            for k, i in zip(missing, batch[missing].tolist(), strict=True)
            if i in made and keys[k] is not None
        }
        if kept:
            store.add(list(kept), np.stack(list(kept.values())))
        stored = zip(batch.tolist(), found, strict=True)
        return {i: row for i, row in stored if row is not None} | made

    def _readable(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the images that are known to be unreadable."""
        return indices[[i not in self.source.unreadable for i in indices.tolist()]]

    def _compute(
        self, indices: NDArray[np.int64], images: Tensor | None = None
    ) -> dict[int, Rows]:
        """Embed images, which are read here if they were not before."""
        if not len(indices):
            return {}
        images = self._read(indices) if images is None else images
        readable = self._readable(indices)
        if len(readable) < len(indices):
            images = images[np.flatnonzero(np.isin(indices, readable))]
        if not len(readable):
            return {}
        rows = self.embed(images, not self.source.has_one_size).cpu().numpy()
        return dict(zip(readable.tolist(), rows, strict=True))

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        """Read images: as they are if they have one size, else resized one by one."""
        if self.source.has_one_size:
            return self.source.read(indices, self.source.image_size)
        return read_resized(self.source, indices, self.preprocessing)
