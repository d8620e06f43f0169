"""Batches for torch's DataLoader: images, features, and those of partners."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from sklearn_mfavb.devices import has_room
from sklearn_mfavb.images._format import Size
from sklearn_mfavb.images._source import ImageSource

_BLOCK = 1024  # images that are moved at once


class ImageDataset(Dataset[dict[str, torch.Tensor]]):
    """Images of one size, features, or both, served in batches.

    Without a `source` or a `size` there are features alone. `indices` are the images of
    the source that take part (None: all), with one row of `features` each, of an array
    or of a table that gives rows as a tensor when it is indexed. `neighbors` is None or
    an array (n_samples, n_neighbors) of positions, from which `add_partners` draws.

    Examples
    --------
    >>> import numpy as np
    >>> from torch.utils.data import DataLoader
    >>> from sklearn_mfavb.images import ImageDataset, open_images
    >>> source = open_images(np.zeros((6, 8, 8), dtype=np.uint8))
    >>> dataset = ImageDataset(source, (16, 16))
    >>> loader = DataLoader(dataset, batch_size=4, collate_fn=dataset.collate)
    >>> [(batch["index"].tolist(), batch["images"].shape[1:]) for batch in loader]
    [([0, 1, 2, 3], torch.Size([1, 16, 16])), ([4, 5], torch.Size([1, 16, 16]))]
    """

    def __init__(
        self,
        source: ImageSource | None,
        size: Size | None,
        indices: Sequence[int] | np.ndarray | None = None,
        features: Any = None,
    ) -> None:
        if source is None and features is None:
            raise ValueError("source and features are None, but one must be given.")
        self.source = source
        self.size = None if source is None else size
        is_array = isinstance(features, np.ndarray)
        self.features: Any = torch.from_numpy(features) if is_array else features
        n_images = len(features) if source is None else len(source)
        everything = np.arange(n_images, dtype=np.int64)
        self.indices = everything if indices is None else everything[indices]
        if features is not None and len(features) != len(self.indices):
            raise ValueError(
                f"features has {len(features)} rows, but there are "
                f"{len(self.indices)} images: one row per image is expected."
            )
        self.neighbors: np.ndarray | None = None
        #: What `serve` returns of all positions, on the device where it is used.
        self._held: dict[str, torch.Tensor] = {}

    def __len__(self) -> int:
        """Return the number of images that take part."""
        return len(self.indices)

    def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
        """Return one image, without the batch dimension."""
        batch = self.__getitems__([position])
        return {name: values[0] for name, values in batch.items()}

    def __getitems__(self, positions: Any) -> dict[str, torch.Tensor]:
        """Return "index", "images" and "features" of positions (n,).

        Of positions (n, 2), as `add_partners` returns them, also "partner_index" and so
        on, of the second column.
        """
        index = np.asarray(positions, dtype=np.int64)
        columns = np.ascontiguousarray(index.reshape(len(index), -1).T)
        batch = self.serve(columns[0])
        for partners in columns[1:]:
            batch.update(self.serve(partners, "partner_"))
        return batch

    def add_partners(self, positions: np.ndarray) -> np.ndarray:
        """Put a neighbor of each image beside it, if there are neighbors.

        One of all is drawn with torch's global generator.
        """
        if self.neighbors is None:
            return positions
        shape = (self.neighbors.shape[1], (len(positions),))
        column = torch.randint(*shape, device="cpu").numpy()
        return np.stack([positions, self.neighbors[positions, column]], axis=1)

    def serve(self, index: np.ndarray, prefix: str = "") -> dict[str, torch.Tensor]:
        """Read images and features of some positions, without partners."""
        if self._held:
            device = self._held["index"].device
            there = torch.from_numpy(index).to(device, non_blocking=True)
            return {prefix + name: part[there] for name, part in self._held.items()}
        served = {prefix + "index": torch.from_numpy(index)}
        if self.source is not None and self.size is not None:
            images = self.source.read(self.indices[index], self.size)
            served[prefix + "images"] = images
        if self.features is not None:
            served[prefix + "features"] = self.features[torch.from_numpy(index)]
        return served

    def keep_on_device(self, device: torch.device) -> None:
        """Keep images and features on a device from now on, if it has room for them.

        Images that are not at hand at the size, or may change, stay where they are.
        """
        source, size = self.source, self.size
        n_bytes = 0 if self.features is None else 4 * math.prod(self.features.shape)
        if source is not None and size is not None:
            if not source.is_at_hand(size):
                return
            n_bytes += len(self) * source.n_image_bytes(size)
        if not has_room(device, n_bytes):
            return
        blocks = np.array_split(np.arange(len(self)), -(-len(self) // _BLOCK))
        parts = [
            {name: part.to(device) for name, part in self.serve(block).items()}
            for block in blocks
        ]
        self._held = {name: torch.cat([p[name] for p in parts]) for name in parts[0]}

    @property
    def is_held(self) -> bool:
        """Whether batches come from a device."""
        return bool(self._held)

    @property
    def is_constant(self) -> bool:
        """Whether images are the same each time they are read, and by any thread."""
        return self.source is None or self.size is None or self.source.is_constant

    @property
    def is_decoded_anew(self) -> bool:
        """Whether every batch opens files, or items that may change, once more."""
        source = self.source
        if source is None or self.size is None:
            return False
        is_kept = source.paths is None or source.is_at_hand(self.size)
        return not (source.is_constant and is_kept)

    def part(self, positions: np.ndarray) -> "ImageDataset":
        """Return some of the images as a data set that a worker can be sent."""
        source, features = self.source, self.features
        return ImageDataset(
            None if source is None else source.part(self.indices[positions]),
            self.size,
            None,
            # Not a view: a pickle would hold all that it is a view of.
            None if features is None else features[torch.from_numpy(positions)],
        )

    @property
    def unreadable(self) -> dict[int, str]:
        """Images of the source that could not be read so far, and why."""
        return {} if self.source is None else self.source.unreadable

    def note_unreadable(self, positions: np.ndarray, found: Mapping[int, str]) -> None:
        """Take over what a worker found of the part at these positions."""
        if self.source is not None:
            self.source.note_unreadable(self.indices[positions], found)

    def describe(self, first: np.ndarray, last: np.ndarray) -> str:
        """Name the images from one part to another in an error."""
        if self.source is None:
            return f"rows {first[0]} to {last[-1]} of the features"
        return self.source.describe(self.indices[first], self.indices[last])

    def expand(self, rows: np.ndarray) -> np.ndarray:
        """Spread rows over all images of the source; NaN for those that have no row.

        Without such images the rows are returned as they are, not copied.
        """
        source = self.source
        if source is None or not (source.unreadable or len(rows) < len(source)):
            return rows
        expanded = np.full((len(source), *rows.shape[1:]), np.nan, rows.dtype)
        expanded[self.indices] = rows
        expanded[list(source.unreadable)] = np.nan
        return expanded

    @staticmethod
    def collate(batch: Any) -> Any:
        """Return a batch as it is: the ``collate_fn`` for this dataset's batches."""
        return batch
