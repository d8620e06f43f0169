"""Clean images through a fitted network, in the order and number that came in."""

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mfavb.images import ImageDataset, ImageSource
from sklearn_mfavb.neighbors import pixel_features
from sklearn_mfavb.views import View, unit_pixels

# Small float32 matrix products take kernels that are chosen row by row: with two
# threads a row depended on its position in products of 5 to 11 rows, and products of up
# to 11 rows differed from those of 256. From 12 rows on all were equal bit for bit; at
# width 384 multiples of 16 were.
_MULTIPLE = 16


@torch.no_grad()
def apply_to_images(
    function: Callable[[View], Tensor],
    source: ImageSource,
    size: tuple[int, int],
    *,
    batch_size: int,
    device: torch.device | str = "cpu",
    features: NDArray[np.float32] | None = None,
    reads_images: bool = True,
) -> NDArray[np.float32]:
    """Apply a function to every image of a source; rows of unreadable ones are NaN.

    Parameters
    ----------
    function : callable
        From clean views of batch_size images to (batch_size, n_outputs).
    source : ImageSource
        What to read.
    size : tuple of int
        Height and width to read at.
    batch_size : int
        Most images read and passed at once, up to the next multiple of 16.
    device : torch.device or str, default="cpu"
        Where the function runs.
    features : ndarray of shape (n_samples, feature_dim), default=None
        Features of the views.
    reads_images : bool, default=True
        Whether views have images.

    Returns
    -------
    ndarray of float32 of shape (n_samples, n_outputs)
    """
    n_samples = len(source)
    n_batches = math.ceil(n_samples / batch_size)
    # All batches have one size, the last filled up with its last image, so that no
    # result depends on where in the order an image comes.
    block = math.ceil(n_samples / n_batches / _MULTIPLE) * _MULTIPLE
    blocks = []
    for start in range(0, n_samples, block):
        indices = np.arange(start, min(start + block, n_samples))
        view = View(
            source.read(indices, size) if reads_images else None,
            None if features is None else torch.from_numpy(features[indices]),
        )
        filled = View(*(_fill_up(part, block, device) for part in view))
        blocks.append(function(filled).float().cpu().numpy())
    outputs = np.concatenate(blocks)[:n_samples]
    outputs[list(source.unreadable)] = np.nan
    return outputs


def _fill_up(
    part: Tensor | None, n_rows: int, device: torch.device | str
) -> Tensor | None:
    """Repeat the last row until there are `n_rows`, on the device."""
    if part is None:
        return None
    rest = part[-1:].expand(n_rows - len(part), *part.shape[1:])
    return torch.cat([part, rest]).to(device)


def select_rows(
    rows: NDArray[np.float32], dataset: ImageDataset
) -> NDArray[np.float32]:
    """Select the rows of a data set; those of files that have vanished since are 0."""
    selected = rows[dataset.indices]
    selected[np.isin(dataset.indices, list(dataset.source.unreadable))] = 0
    return selected


def pixel_rows(
    source: ImageSource, size: tuple[int, int], batch_size: int = 256
) -> NDArray[np.float32]:
    """Read all images as rows of averaged pixels, the space of pixel neighbours."""
    return apply_to_images(_pixel_features, source, size, batch_size=batch_size)


def _pixel_features(view: View) -> Tensor:
    """Average the pixels of a view that has images."""
    return pixel_features(cast(Tensor, view.images))


def pixel_statistics(
    source: ImageSource, size: tuple[int, int], indices: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Compute mean and standard deviation per channel, of pixels in [0, 1].

    Parameters
    ----------
    source : ImageSource
        What to read.
    size : tuple of int
        Height and width to read at.
    indices : ndarray of int64
        The images to look at; all at once, so a sample is enough.

    Returns
    -------
    mean, std : torch.Tensor of shape (n_channels,)
        `std` is at least 0.01, so that constant images do not blow up.
    """
    pixels = unit_pixels(source.read(indices, size))
    std, mean = torch.std_mean(pixels, dim=(0, 2, 3), correction=0)
    return mean, std.clamp_min(0.01)
