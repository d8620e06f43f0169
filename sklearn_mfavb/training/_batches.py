"""Batches of nearly equal size, so that no epoch ends in a crumb."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class _BalancedBatches(Sampler[list[int]]):
    """Shuffle, then split into the fewest batches within `batch_size`, sizes +-1.

    A short last batch would be noise for the cluster contrast (its columns are as long
    as the batch) and dropping it would leave images out.
    """

    def __init__(self, n_samples: int, batch_size: int) -> None:
        self.n_samples = n_samples
        self.n_batches = math.ceil(n_samples / batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        for batch in torch.randperm(self.n_samples).tensor_split(self.n_batches):
            yield batch.tolist()


def balanced_batches(
    dataset: Dataset, batch_size: int, collate_fn: Callable[[Any], Any] | None = None
) -> DataLoader:
    """Iterate over a data set in shuffled batches of nearly equal size.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Map-style, with ``__getitems__``.
    batch_size : int
        Largest number of images in a batch.
    collate_fn : callable, default=None
        As in `torch.utils.data.DataLoader`.

    Returns
    -------
    torch.utils.data.DataLoader
    """
    n_samples = len(dataset)  # type: ignore[arg-type]
    return DataLoader(
        dataset,
        batch_sampler=_BalancedBatches(n_samples, batch_size),
        collate_fn=collate_fn,
    )
