"""Batches for torch's DataLoader: images, their positions, and neighbours if asked."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from sklearn_mfavb.images._format import Size
from sklearn_mfavb.images._source import ImageSource

Batch = TypeVar("Batch")


class ImageDataset(Dataset[dict[str, torch.Tensor]]):
    """Serve images of one size as batches, each read with one call of the source.

    Parameters
    ----------
    source : ImageSource
        Where images are read from.
    size : tuple of int
        Height and width of the images that are served, in pixels.
    indices : array-like of int of shape (n_samples,), default=None
        Images of the source that take part. None means all of them.

    Attributes
    ----------
    indices : ndarray of shape (n_samples,)
        Image of the source behind each position.
    neighbors : ndarray of shape (n_samples, n_neighbors) or None
        Positions of the neighbours of each image. When it is set, items have
        "partner_images" too: of each image one neighbour, drawn uniformly with torch's
        global generator.
    features : torch.Tensor of shape (n_samples, feature_dim) or None
        Features of each image. When it is set, items have "features" too, and
        "partner_features" where they have partners.
    reads_images : bool
        Whether items have images: True until it is set to False.

    Examples
    --------
    >>> import numpy as np
    >>> from torch.utils.data import DataLoader
    >>> from sklearn_mfavb.images import ImageDataset, check_images
    >>> source = check_images(np.zeros((10, 8, 8), dtype=np.uint8))
    >>> dataset = ImageDataset(source, (16, 16))
    >>> loader = DataLoader(dataset, batch_size=4, collate_fn=dataset.collate)
    >>> for batch in loader:
    ...     print(batch["images"].shape[0], batch["index"].tolist())
    4 [0, 1, 2, 3]
    4 [4, 5, 6, 7]
    2 [8, 9]
    """

    def __init__(
        self,
        source: ImageSource,
        size: Size,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        everything = np.arange(len(source), dtype=np.int64)
        self.source = source
        self.size = size
        self.indices = everything if indices is None else everything[indices]
        self.neighbors: np.ndarray | None = None
        self.features: torch.Tensor | None = None
        self.reads_images = True

    def __len__(self) -> int:
        """Return the number of images that take part."""
        return len(self.indices)

    def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
        """Return one image, without the batch dimension."""
        batch = self.__getitems__([position])
        return {name: values[0] for name, values in batch.items()}

    def __getitems__(self, positions: list[int]) -> dict[str, torch.Tensor]:
        """Return a batch of images.

        Parameters
        ----------
        positions : list of int of length batch_size
            Positions in this dataset.

        Returns
        -------
        batch : dict
            "index" of shape (batch_size,), the positions; "images" of shape
            (batch_size, n_channels, height, width), "features" of shape (batch_size,
            feature_dim), and of the partners what there is of the images, shaped alike.
        """
        index = np.asarray(positions, dtype=np.int64)
        batch = self._serve(index, "")
        if self.neighbors is not None:
            partners = self._draw_partners(self.neighbors, index)
            batch.update(self._serve(partners, "partner_"))
        return batch

    def _serve(self, index: np.ndarray, prefix: str) -> dict[str, torch.Tensor]:
        """Read images and features of some positions."""
        served = {prefix + "index": torch.from_numpy(index)}
        if self.reads_images:
            images = self.source.read(self.indices[index], self.size)
            served[prefix + "images"] = images
        if self.features is not None:
            served[prefix + "features"] = self.features[torch.from_numpy(index)]
        return served

    @staticmethod
    def collate(batch: Batch) -> Batch:
        """Return a batch as it is: the ``collate_fn`` for this dataset's batches."""
        return batch

    def _draw_partners(self, neighbors: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the position of one neighbour of each image."""
        column = torch.randint(neighbors.shape[1], (len(index),)).numpy()
        return neighbors[index, column]
