"""Features of all images of a source, from an encoder or from disk."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.images import ImageSource

KEY_BYTES = 16

# What an interruption can cost: about a minute on one CPU core with a ViT-B/16.
SHARD_ROWS = 256

# What a file that is no shard, or not all of one, makes numpy raise. A zip archive
# carries checksums, so changed bytes are found too.
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Rows = NDArray[np.float32]
Key = bytes | None  # None is never found, and never kept


class FeatureStore:
    """Rows of features by key, of one encoder, in a folder; None keeps nothing.

    Its files hold a few hundred rows each, are only added, and appear whole: processes
    may share the folder, and a run that is killed loses little. What is left is written
    at the end of the ``with`` block, also when that is interrupted.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.rows: dict[Key, Rows] = {}
        self._new: dict[bytes, Rows] = {}
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.npz"):
            with suppress(*BROKEN), np.load(path, allow_pickle=False) as arrays:
                keys = map(bytes, arrays["keys"])
                self.rows.update(zip(keys, arrays["features"], strict=True))

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *error: object) -> None:
        """Write what is left."""
        self.flush()

    def add(self, keys: list[Key], features: Rows) -> None:
        """Keep a row for each key, and write them once there are a few hundred."""
        for key, row in zip(keys, features, strict=True):
            if key is not None and np.isfinite(row).all():
                self.rows[key] = self._new[key] = row
        if len(self._new) >= SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet written to a file of its own."""
        if not self._new or self.folder is None:
            return
        keys = np.frombuffer(b"".join(self._new), np.uint8).reshape(-1, KEY_BYTES)
        with replace_file(self.folder / f"{os.urandom(8).hex()}.npz") as file:
            np.savez(file, keys=keys, features=np.stack(list(self._new.values())))
        self._new = {}


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
class Extraction:
    """Features of a source; `embed` makes those that the store does not have."""

    source: ImageSource
    store: FeatureStore
    build_encoder: Callable[[], Encoder]
    embed: Callable[..., Tensor]

    def run(self, batch_size: int, *, verbose: int) -> Rows:
        """Return the features of all images; rows of unreadable ones are NaN."""
        n_images = len(self.source)
        features = np.full((n_images, self._feature_dim()), np.nan, dtype=np.float32)
        bar = tqdm(
            total=n_images, desc="encoding images", unit="image", disable=not verbose
        )
        with bar, self.store:
            for start in range(0, n_images, batch_size):
                batch = np.arange(start, min(start + batch_size, n_images))
                readable = np.setdiff1d(batch, list(self.source.unreadable))
                if len(readable):
                    features[readable] = self._find_or_embed(readable)
                bar.update(len(batch))
        return features

    def _feature_dim(self) -> int:
        """Return the length of a row, if possible without an encoder."""
        kept = next(iter(self.store.rows.values()), None)
        return self.build_encoder().feature_dim if kept is None else len(kept)

    def _find_or_embed(self, batch: NDArray[np.int64]) -> list[Rows]:
        """Return a row for each image, and keep those that are new."""
        images = None
        if self.store.folder is None:
            keys: list[Key] = [None] * len(batch)
        elif self.source.paths is not None:
            keys = self._hash_files(batch, self.source.paths)
        else:
            images = self._read(batch)
            keys = hash_images(images)
        rows: list[Any] = [self.store.rows.get(key) for key in keys]
        new = [position for position, row in enumerate(rows) if row is None]
        if new:
            images = self._read(batch[new]) if images is None else images[new]
            embedded = self.embed(images, is_resized=not self.source.has_one_size)
            made = embedded.cpu().numpy()
            # Reading has shown which images are broken.
            made[np.isin(batch[new], list(self.source.unreadable))] = np.nan
            self.store.add([keys[position] for position in new], made)
            for position, row in zip(new, made, strict=True):
                rows[position] = row
        return rows

    def _hash_files(self, batch: NDArray[np.int64], paths: list[str]) -> list[Key]:
        """Return a key for each file; pixels of more than 8 bits depend on all."""
        format = self.source.complete_format()
        kind = f"{format.n_channels} {format.pixel_range} {format.deep_range}"
        return [hash_file(paths[i], kind) for i in batch]

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        """Read images: as they are if they have one size, else resized one by one."""
        if self.source.has_one_size:
            return self.source.read(indices, self.source.image_size)
        preprocessing = self.build_encoder().preprocessing
        size = preprocessing.input_size[1:]
        return self.source.read(indices, size, resize=preprocessing.resize)


def check_channels(source: ImageSource) -> None:
    """Raise for channels that no encoder can see."""
    if source.n_channels not in (1, 3):
        raise ValueError(
            f"The images have {source.n_channels} channels, but encoders see grayscale "
            "(1) or RGB (3): pass three of them, such as X[..., :3]."
        )
