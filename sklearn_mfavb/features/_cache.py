"""Features on disk, shared by runs and by processes that run at the same time."""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mfavb.files import replace_file

KEY_BYTES = 16

# What an interruption can cost: about a minute on one CPU core with a ViT-B/16.
SHARD_ROWS = 256

# Files are hashed in parts: one that only claims to be a picture may be of any size.
PART_BYTES = 2**20

# What a file that is no shard, or not all of one, makes numpy raise. A zip archive
# carries checksums, so changed bytes are found too.
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class FeatureStore:
    """Keep rows of features by key in files of a few hundred rows.

    Used as a context manager, it writes what it still holds at the end of the block,
    also when the block is interrupted.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are; made if it is missing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_mfavb.features import FeatureStore
    >>> key = b"sixteen bytes..."
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FeatureStore(Path(folder)) as store:
    ...         store.add([key], np.ones((1, 3), dtype=np.float32))
    ...     FeatureStore(Path(folder)).find(key)
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._pending: dict[bytes, NDArray[np.float32]] = {}
        self._opened: dict[Path, NDArray[np.float32] | None] = {}
        self._places: dict[bytes, tuple[Path, int]] = {}
        for path in sorted(folder.glob("*.npz")):
            keys = _read_array(path, "keys")
            if keys is not None and keys.dtype == np.uint8 and keys.ndim == 2:
                for row, key in enumerate(keys):
                    self._places[key.tobytes()] = (path, row)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left."""
        self.flush()

    def find(self, key: bytes | None) -> NDArray[np.float32] | None:
        """Return the features kept under a key.

        Parameters
        ----------
        key : bytes or None
            None is the key of nothing.

        Returns
        -------
        features : ndarray of float32 of shape (feature_dim,) or None
            None if there are none, or their file is damaged.
        """
        if key is None:
            return None
        if key in self._pending:
            return self._pending[key]
        if key not in self._places:
            return None
        path, row = self._places[key]
        if path not in self._opened:
            self._opened[path] = _read_array(path, "features")
        features = self._opened[path]
        return None if features is None else features[row]

    def add(self, keys: list[bytes], features: NDArray[np.float32]) -> None:
        """Keep features, and write them once there are a few hundred.

        Parameters
        ----------
        keys : list of bytes of length n_samples
            Sixteen bytes each.
        features : ndarray of float32 of shape (n_samples, feature_dim)
            The rows to keep.
        """
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

    def read_note(self) -> dict[str, Any] | None:
        """Return what was noted about all features here; None if nothing was."""
        try:
            return json.loads((self.folder / "encoder.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def write_note(self, note: dict[str, Any]) -> None:
        """Note something about all features here.

        Parameters
        ----------
        note : dict
            Anything that JSON can hold.
        """
        with replace_file(self.folder / "encoder.json") as file:
            file.write(json.dumps(note).encode())


def hash_images(images: Tensor) -> list[bytes]:
    """Make a key of the pixels, shape and type of each image of a batch."""
    kind = f"{tuple(images.shape[1:])} {images.dtype}".encode()
    return [_key(kind, [image.tobytes()]) for image in images.contiguous().numpy()]


def hash_file(path: str, *, n_channels: int) -> bytes | None:
    """Make a key of a file's content, read as grey or RGB; None if it has none."""
    try:
        with open(path, "rb") as file:
            parts = iter(lambda: file.read(PART_BYTES), b"")
            return _key(f"file {n_channels}".encode(), parts)
    except OSError:
        return None


def _key(kind: bytes, parts: Iterable[bytes]) -> bytes:
    """Hash content of a kind."""
    key = hashlib.blake2b(kind + b"\0", digest_size=KEY_BYTES)
    for part in parts:
        key.update(part)
    return key.digest()


def _read_array(path: Path, name: str) -> NDArray[Any] | None:
    """Return an array of a file, or None if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name]
    except BROKEN:
        return None
