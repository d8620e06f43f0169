"""Features of all images of a source, from an encoder or from disk."""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_mfavb.features._encoder import Preprocessing
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.images import ImageSource

KEY_BYTES = 16

# What an interruption can cost: about a minute on one CPU core with a ViT-B/16.
SHARD_ROWS = 256


# What a file that is no shard, or not all of one, makes numpy raise. A zip archive
# carries checksums, so changed bytes are found too.
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Rows = NDArray[np.float32]


class FeatureStore:
    """Rows of features by key, of one encoder, in a folder.

    Its files hold a few hundred rows each, are only added, and appear whole: processes
    may share the folder, and a run that is killed loses little. As a context manager,
    the store writes what it holds at the end of the block, also when that is
    interrupted.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._pending: dict[bytes, Rows] = {}
        self._opened: dict[Path, Rows | None] = {}
        self._places: dict[bytes, tuple[Path, int]] = {}
        for path in sorted(folder.glob("*.npz")):
            keys = _read_array(path, "keys")
            if keys is not None and keys.dtype == np.uint8 and keys.ndim == 2:
                for row, key in enumerate(keys):
                    self._places[key.tobytes()] = (path, row)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *error: object) -> None:
        """Write what is left."""
        self.flush()

    def find(self, key: bytes | None) -> Rows | None:
        """Return the features of a key; None if there are none or they are damaged."""
        if key is None or key in self._pending:
            return self._pending[key] if key else None
        if key not in self._places:
            return None
        path, row = self._places[key]
        if path not in self._opened:
            self._opened[path] = _read_array(path, "features")
        features = self._opened[path]
        return None if features is None else features[row]

    def add(self, keys: list[bytes], features: Rows) -> None:
        """Keep a row for each key, and write them once there are a few hundred."""
        self._pending.update(zip(keys, features, strict=True))
        if len(self._pending) >= SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held in memory to a new file."""
        if not self._pending:
            return
        keys = np.frombuffer(b"".join(self._pending), dtype=np.uint8)
        features = np.stack(list(self._pending.values()))
        # In order of time, so that rows made anew come after those of a damaged file.
        path = self.folder / f"{time.time_ns():020}-{os.urandom(4).hex()}.npz"
        with replace_file(path) as file:
            np.savez(file, keys=keys.reshape(-1, KEY_BYTES), features=features)
        self._opened[path] = features
        for row, key in enumerate(self._pending):
            self._places[key] = (path, row)
        self._pending = {}

    def read_note(self) -> tuple[int, Preprocessing] | None:
        """Return the encoder's feature_dim and preprocessing, if they were noted."""
        try:
            told = json.loads((self.folder / "encoder.json").read_text("utf-8"))
            preprocessing = Preprocessing.from_dict(told["preprocessing"])
            return int(told["feature_dim"]), preprocessing
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_note(self, feature_dim: int, preprocessing: Preprocessing) -> None:
        """Note what is needed of the encoder when all features are here."""
        note = {"feature_dim": feature_dim, "preprocessing": asdict(preprocessing)}
        with replace_file(self.folder / "encoder.json") as file:
            file.write(json.dumps(note).encode())


def hash_images(images: Tensor) -> list[bytes]:
    """Return a key of the pixels, shape and type of each image of a batch."""
    kind = f"{tuple(images.shape[1:])} {images.dtype}\0".encode()
    return [
        hashlib.blake2b(kind + image.tobytes(), digest_size=KEY_BYTES).digest()
        for image in images.contiguous().numpy()
    ]


def hash_file(path: str, kind: str) -> bytes | None:
    """Return a key of a file's content, read in some way; None if it has none."""
    start = hashlib.blake2b(f"file {kind}\0".encode(), digest_size=KEY_BYTES)
    with suppress(OSError), open(path, "rb") as file:
        return hashlib.file_digest(file, start.copy).digest()
    return None


def _read_array(path: Path, name: str) -> NDArray[Any] | None:
    """Return an array of a file, or None if the file is damaged."""
    with suppress(*BROKEN), np.load(path, allow_pickle=False) as arrays:
        return arrays[name]
    return None


Embed = Callable[..., Tensor]  # of an Encoder


@dataclass(frozen=True)
class Extraction:
    """Features of a source; `embed` makes those that are not in the store."""

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
            # Pixels of more than 8 bits depend on the range of all images.
            format = self.source.format
            kind = f"{format.n_channels} {format.pixel_range} {format.deep_range}"
            keys = [hash_file(paths[i], kind) for i in batch]
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
            rows = self.embed(images, is_resized=not self.source.has_one_size)
            features[readable] = rows.cpu().numpy()
        return readable.tolist()

    def _readable(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the images that are known to be unreadable."""
        return np.setdiff1d(indices, list(self.source.unreadable))

    def _read(self, indices: NDArray[np.int64]) -> Tensor:
        """Read images: as they are if they have one size, else resized one by one."""
        if self.source.has_one_size:
            return self.source.read(indices, self.source.image_size)
        size, resize = self.preprocessing.size, self.preprocessing.resize
        return self.source.read(indices, size, resize=resize)


def check_channels(source: ImageSource) -> None:
    """Raise for channels that no encoder can see."""
    if source.n_channels not in (1, 3):
        raise ValueError(
            f"The images have {source.n_channels} channels, but encoders see grayscale "
            "(1) or RGB (3): pass three of them, such as X[..., :3]."
        )
