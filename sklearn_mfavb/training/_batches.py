"""Batches of a data set, read before the device needs them."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import torch
from joblib import cpu_count, effective_n_jobs
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from sklearn_mfavb.distributed import is_joint, n_processes, own_share
from sklearn_mfavb.parallel import read_ahead

Batch = dict[str, Tensor]
Positions = NDArray[np.int64]


def count_batches(n_samples: int, batch_size: int) -> int:
    """Return the number of steps in an epoch, of a batch for each process."""
    return math.ceil(n_samples / (batch_size * n_processes()))


class _BalancedBatches(Sampler[Positions]):
    """Shuffle, then split into the fewest batches within a size, of sizes +-1.

    A short last batch would be noise for the cluster contrast (its columns are as long
    as the batch) and dropping it would leave images out.
    """

    def __init__(self, dataset: Any, batch_size: int) -> None:
        self.dataset = dataset
        self.n_batches = count_batches(len(dataset), batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Positions]:
        # All that is random is drawn before the first batch: threads and workers that
        # read ahead draw nothing, so that a fit can be repeated.
        order = torch.randperm(len(self.dataset))
        order = own_share(order) if is_joint() else order
        positions = self.dataset.add_partners(order.numpy())
        yield from np.array_split(positions, self.n_batches)


class BatchLoader(DataLoader[Any]):
    """Load batches of an `ImageDataset` while the device works on earlier ones.

    Batches for a CUDA device are in pinned memory, from which they are copied while the
    program goes on; what is on the device already is only indexed there.

    Parameters
    ----------
    dataset : ImageDataset
        Images, features, or both.
    batches : iterable of ndarray of int64
        Positions of the images of each batch, as for ``dataset.__getitems__``.
    device : torch.device
        Where the batches are used.
    **options
        As for `torch.utils.data.DataLoader`.
    """

    def __init__(
        self,
        dataset: Any,
        batches: Iterable[Positions],
        device: torch.device,
        **options: Any,
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=batches,  # type: ignore[arg-type]
            collate_fn=dataset.collate,
            pin_memory=device.type == "cuda" and not dataset.is_held,
            **options,
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        batches, dataset = super().__iter__(), cast(Any, self.dataset)
        # Workers read ahead themselves, and data sets of users may not stand threads.
        reads_here = dataset.is_held or self.num_workers or not dataset.is_constant
        return batches if reads_here else read_ahead(batches)


def balanced_batches(
    dataset: Any, batch_size: int, device: torch.device
) -> BatchLoader:
    """Iterate over a data set in shuffled batches of nearly equal size.

    Images that are read anew in every epoch, because they may change or are files that
    were not kept, are read by as many processes as `joblib.parallel_config` says, but
    at most one for each processor.
    """
    n_jobs = 1
    if dataset.is_decoded_anew:  # by this machine: engines may have hundreds of others
        n_jobs = min(effective_n_jobs(None), cpu_count())
    # Workers live for one epoch: others would change what is drawn for the next.
    n_workers = n_jobs if n_jobs > 1 else 0
    batches = _BalancedBatches(dataset, batch_size)
    return BatchLoader(dataset, batches, device, num_workers=n_workers)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to a device, and do not wait for it."""
    return {name: part.to(device, non_blocking=True) for name, part in batch.items()}
