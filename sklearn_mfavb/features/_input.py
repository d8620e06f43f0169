"""What encoders are given: images of any kind, opened as sources."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.images import ImageSource


def read_resized(
    source: ImageSource, indices: NDArray[np.int64], preprocessing: Preprocessing
) -> Tensor:
    """Read images and resize each for the encoder."""
    return source.read(indices, preprocessing.size, resize=preprocessing.resize)


def as_paths(X: Any) -> Any:
    """Return the paths in a dataframe or array of one column, other X as it is."""
    if getattr(X, "ndim", None) == 2 and X.shape[1] == 1 and len(X):
        column = np.asarray(X)[:, 0]
        if isinstance(column[0], (str, os.PathLike)):
            return column.tolist()
    return X


def check_channels(source: ImageSource) -> None:
    """Raise for channels that no encoder can see."""
    if source.n_channels not in (1, 3):
        raise ValueError(
            f"The images have {source.n_channels} channels, but encoders see grayscale "
            "(1) or RGB (3): pass three of them, such as X[..., :3]."
        )
