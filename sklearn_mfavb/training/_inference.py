"""Clean images through a network, batch by batch."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.utils import to_device
from torch import Tensor

from sklearn_mfavb.training._runtime import Runtime, autocast
from sklearn_mfavb.views import View


def split_evenly(n_samples: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Split positions into the fewest batches, of nearly equal size."""
    n_batches = max(1, math.ceil(n_samples / batch_size))
    return np.array_split(np.arange(n_samples), n_batches)


def embed_in(network: Any, runtime: Runtime) -> Callable[[View], Tensor]:
    """Make the function that embeds clean views in the arithmetic of training."""
    network.eval()

    def embed(view: View) -> Tensor:
        with autocast(runtime.device, runtime.autocast_dtype):
            return network.embed(view).float()

    return embed


@torch.no_grad()
def apply_to_views(
    function: Callable[[View], Tensor], dataset: Any, runtime: Runtime
) -> NDArray[Any]:
    """Apply a function to a clean view of every image.

    Parameters
    ----------
    function : callable
        From the views of a batch to a tensor with one row per image.
    dataset : ImageDataset
        The images.
    runtime : Runtime
        Device and batch size.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        Floats as float32.
    """
    outputs = []
    for positions in split_evenly(len(dataset), runtime.batch_size):
        batch = to_device(dataset.serve(positions), runtime.device)
        view = View(batch.get("images"), batch.get("features"))
        output = function(view)
        output = output.float() if output.is_floating_point() else output
        outputs.append(output.cpu().numpy())
    return np.concatenate(outputs)

