"""Features of all images of a source, from an encoder or from disk."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.parallel import map_parts, read_ahead

KEY_BYTES = 16

# What a damaged file makes numpy raise. A zip archive carries checksums, so changed
# bytes are found too.
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Rows = NDArray[np.float32]
Key = bytes | None  # None is never found, and never kept


class FeatureStore:
    """Rows of features by key, of one encoder, in a folder; None keeps nothing.

    Every batch has a file of its own, which appears whole: processes may share the
    folder, and a run that is killed loses one batch.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.rows: dict[Any, Rows] = {}
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.npz"):
            with suppress(*BROKEN), np.load(path, allow_pickle=False) as arrays:
                keys = map(bytes, arrays["keys"])
                self.rows.update(zip(keys, arrays["features"], strict=True))

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        """Pickle the name of the folder: a worker reads it itself."""
        return type(self), (self.folder,)

    def add(self, keys: list[Key], features: Rows) -> None:
        """Keep the rows that are finite and have a key."""
        pairs = zip(keys, features, strict=True)
        new = {k: row for k, row in pairs if k is not None and np.isfinite(row).all()}
        self.rows.update(new)
        if new and self.folder is not None:
            digests = np.frombuffer(b"".join(new), np.uint8).reshape(-1, KEY_BYTES)
            with replace_file(self.folder / f"{os.urandom(8).hex()}.npz") as file:
                np.savez(file, keys=digests, features=np.stack(list(new.values())))


def hash_images(images: Tensor) -> list[Key]:
    """Return a key of the pixels, shape and type of each image of a batch."""
    kind = f"{tuple(images.shape[1:])} {images.dtype}\0".encode()
    return [
        hashlib.blake2b(kind + image.tobytes(), digest_size=KEY_BYTES).digest()
        for image in images.contiguous().numpy()
    ]


def hash_file(path: str, kind: str) -> Key:
    """Return a key of a file's content, read in some way; None if it has none."""
    start = hashlib.blake2b(f"file {kind}\0".encode(), digest_size=KEY_BYTES)
    with suppress(OSError), open(path, "rb") as file:
        return hashlib.file_digest(file, start.copy).digest()
    return None


@dataclass(frozen=True)
class _Found:
    """What is known of the images of a batch before it is embedded.

    `rows` has a row of the store for each image or None; `images` are those at the
    positions `new`, which are to be embedded.
    """

    batch: NDArray[np.int64]
    keys: list[Key]
    rows: list[Any]
    new: list[int]
    images: Tensor | None


@dataclass(frozen=True)
class Extraction:
    """Features of images; `embed` makes those that the store does not have."""

    store: FeatureStore
    build_encoder: Callable[[], Encoder]
    embed: Callable[..., Tensor]

    def run(
        self, source: ImageSource, batch_size: int, *, n_jobs: int | None, verbose: int
    ) -> Rows:
        """Return the features of all images; rows of unreadable ones are NaN."""
        n_images = len(source)
        features = np.empty((n_images, self._feature_dim()), dtype=np.float32)
        everything = np.arange(n_images)
        batches = [everything[each] for each in gen_batches(n_images, batch_size)]
        parts = map_parts(self._find_all, source, batches, n_jobs=n_jobs)
        n_done = 0
        bar = tqdm(
            total=n_images, desc="encoding images", unit="image", disable=not verbose
        )
        with bar:
            for rows in parts:
                features[n_done : n_done + len(rows)] = rows
                n_done += len(rows)
                bar.update(len(rows))
        return features

    def _feature_dim(self) -> int:
        """Return the length of a row, if possible without an encoder."""
        kept = next(iter(self.store.rows.values()), None)
        return self.build_encoder().feature_dim if kept is None else len(kept)

    def _find_all(
        self, source: ImageSource, batches: Sequence[NDArray[np.int64]]
    ) -> Iterator[Rows]:
        """Yield the features of the images of each batch."""
        found = (self._find(source, batch) for batch in batches)
        for each in read_ahead(found) if source.is_constant else found:
            yield self._complete(source, each)

    def _find(self, source: ImageSource, batch: NDArray[np.int64]) -> _Found:
        """Look images up, and read those that are new."""
        images = None
        if self.store.folder is None:
            keys: list[Key] = [None] * len(batch)
        elif source.paths is not None:
            keys = _hash_files(source, batch, source.paths)
        else:
            images = self._read(source, batch)
            keys = hash_images(images)
        rows: list[Any] = [self.store.rows.get(key) for key in keys]
        missing = [position for position, row in enumerate(rows) if row is None]
        new = _readable(source, batch, missing)
        if new and images is None and len(missing) < len(batch):
            # What earlier runs did not keep may be broken, which shows without an
            # encoder: building one takes seconds, in every run.
            source.read(batch[new], source.image_size)
            new = _readable(source, batch, new)
        if new:
            images = self._read(source, batch[new]) if images is None else images[new]
            if self.build_encoder().device.type == "cuda":
                images = images.pin_memory()  # copied while the next ones are read
        return _Found(batch, keys, rows, new, images)

    def _complete(self, source: ImageSource, found: _Found) -> Rows:
        """Embed what is new and keep it; rows of unreadable images are NaN."""
        for position in found.new:  # the batch before may have had the same image
            found.rows[position] = self.store.rows.get(found.keys[position])
        new = [position for position in found.new if found.rows[position] is None]
        if new:
            images = cast(Tensor, found.images)
            if len(new) < len(found.new):
                images = images[np.isin(found.new, new)]
            embedded = self.embed(images, is_resized=not source.has_one_size)
            made = embedded.cpu().numpy()
            # Reading has shown which images are broken.
            made[np.isin(found.batch[new], list(source.unreadable))] = np.nan
            self.store.add([found.keys[position] for position in new], made)
            for position, row in zip(new, made, strict=True):
                found.rows[position] = row
        nothing = np.full(self._feature_dim(), np.nan, dtype=np.float32)
        return np.stack([nothing if row is None else row for row in found.rows])

    def _read(self, source: ImageSource, indices: NDArray[np.int64]) -> Tensor:
        """Read images: as they are if they have one size, else resized one by one."""
        if source.has_one_size:
            return source.read(indices, source.image_size)
        preprocessing = self.build_encoder().preprocessing
        size = preprocessing.input_size[1:]
        return source.read(indices, size, resize=preprocessing.resize)


def _readable(
    source: ImageSource, batch: NDArray[np.int64], positions: list[int]
) -> list[int]:
    """Leave out the positions of images that are known to be unreadable."""
    return [each for each in positions if int(batch[each]) not in source.unreadable]


def _hash_files(
    source: ImageSource, batch: NDArray[np.int64], paths: list[str]
) -> list[Key]:
    """Return a key for each readable file; pixels of more than 8 bits depend on all."""
    format, broken = source.format, source.unreadable
    kind = f"{format.n_channels} {format.pixel_range} {format.deep_range}"
    return [None if i in broken else hash_file(paths[i], kind) for i in batch.tolist()]
