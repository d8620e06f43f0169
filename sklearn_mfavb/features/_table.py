"""Frozen encoders as an estimator holds them, and the table of their features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.float32]


@dataclass
class FrozenEncoder:
    """An encoder of images, and the mean of its features on the training images.

    `transformer` is a fitted transformer of images, or None if the user passes
    features, and `weight` how much the features count beside those of other encoders.
    """

    name: str
    transformer: Any | None
    mean: Rows = field(repr=False)
    weight: float = 1.0

    @property
    def feature_dim(self) -> int:
        """Number of features."""
        return len(self.mean)

    def scale(self, rows: NDArray[Any]) -> Rows:
        """Center unit vectors, and bring entries to a mean square of ``weight**2``."""
        length = np.float32(self.weight * np.sqrt(rows.shape[1]))
        return unit_rows(unit_rows(rows) - self.mean) * length

    def unit(self, rows: NDArray[Any]) -> Rows:
        """Bring vectors to the length `weight`."""
        return unit_rows(rows) * np.float32(self.weight)

    def embed(self, images: Tensor) -> Rows:
        """Embed images in [0, 1] with a `CLIPFeatures`, and scale the features."""
        transformer: Any = self.transformer
        return self.scale(transformer.embed(images).cpu().numpy())


class FeatureTable:
    """Features of all encoders side by side, scaled when they are read.

    The features stay as they came, memory maps on disk and float16 too; what is made of
    them are the rows that are asked for, in float32.

    Parameters
    ----------
    encoders : sequence of FrozenEncoder
        What computed the features.
    blocks : sequence of ndarray of shape (n_images, n_features)
        Features of each encoder.
    positions : ndarray of int64 of shape (n_samples,), default=None
        Rows of the blocks that take part. None: all.
    form : callable, default=FrozenEncoder.scale
        From an encoder and rows of its features to what is read of them.
    """

    def __init__(
        self,
        encoders: Sequence[FrozenEncoder],
        blocks: Sequence[NDArray[Any]],
        positions: NDArray[np.int64] | None = None,
        form: Callable[[FrozenEncoder, Rows], Rows] = FrozenEncoder.scale,
    ) -> None:
        self.encoders = encoders
        self.blocks = blocks
        self.positions = positions
        self.form = form

    @classmethod
    def of_columns(
        cls, encoders: Sequence[FrozenEncoder], columns: Rows
    ) -> "FeatureTable":
        """Make a table of features as the encoders gave them, side by side."""
        ends = np.cumsum([encoder.feature_dim for encoder in encoders])[:-1]
        return cls(encoders, np.split(columns, ends, axis=1))

    def columns(self) -> Rows:
        """Return all features as the encoders gave them, side by side."""
        given = self.read_as(lambda encoder, rows: np.asarray(rows, dtype=np.float32))
        return given[:].numpy()

    @property
    def is_precomputed(self) -> bool:
        """Whether the features were passed by the user."""
        return all(encoder.transformer is None for encoder in self.encoders)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), sum(block.shape[1] for block in self.blocks)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.blocks[0] if self.positions is None else self.positions)

    def __getitem__(self, index: Any) -> Tensor:
        """Read the rows of a slice or of positions, (n_rows, n_columns)."""
        if not isinstance(index, slice):
            index = np.asarray(index)
        if self.positions is not None:
            index = self.positions[index]
        parts = [
            self.form(encoder, block[index])
            for encoder, block in zip(self.encoders, self.blocks, strict=True)
        ]
        return torch.from_numpy(np.concatenate(parts, axis=1))

    def take(self, positions: NDArray[np.int64]) -> "FeatureTable":
        """Return the table of some of the rows, without reading them."""
        if np.array_equal(positions, np.arange(len(self))):
            return self
        kept = positions if self.positions is None else self.positions[positions]
        return FeatureTable(self.encoders, self.blocks, kept, self.form)

    def read_as(self, form: Callable[[FrozenEncoder, Rows], Rows]) -> "FeatureTable":
        """Return the same rows in another form, such as `FrozenEncoder.unit`."""
        return FeatureTable(self.encoders, self.blocks, self.positions, form)


def unit_rows(rows: NDArray[Any]) -> Rows:
    """Bring rows to unit length, in float32; zeros stay."""
    rows = np.asarray(rows, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, 1e-12)
