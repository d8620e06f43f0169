"""Images with their classes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class LabeledImages(NamedTuple):
    """Images with their classes, which are for scoring only.

    Attributes
    ----------
    images : ndarray of uint8 of shape (n_samples, height, width) or \
            (n_samples, height, width, 3), or list of str
        The images, or the paths of their files: the estimators take either.
    target : ndarray of int64 of shape (n_samples,)
        The class of each image, from 0 to `n_classes - 1`.
    target_names : list of str
        The name of each class.
    source : str
        What was read from where, to be stated beside results.
    features : mapping of str to ndarray of shape (n_samples, ...)
        What was stored with the images by name, such as their embeddings; often empty.
    """

    images: NDArray[np.uint8] | list[str]
    target: NDArray[np.int64]
    target_names: list[str]
    source: str
    features: Mapping[str, NDArray] = MappingProxyType({})
