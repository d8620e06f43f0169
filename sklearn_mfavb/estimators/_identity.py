"""What tells one training from another: parameters and images."""

import hashlib
import re
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_mfavb.images import ImageDataset

# Parameters that training gives the same result without.
_BESIDES_TRAINING = {"callbacks", "checkpoint", "device", "on_error", "verbose"}
# Parameters of CLIPFeatures that the same features come without.
_BESIDES_FEATURES = {"batch_size", "cache_dir", "device", "on_error", "verbose"}
_SAMPLE = 256  # images that are looked at, pixel by pixel


def describe_training(
    estimator: BaseEstimator, dataset: ImageDataset
) -> dict[str, str]:
    """Describe a training, so that a checkpoint of another one is known for what it is.

    Parameters
    ----------
    estimator : BaseEstimator
        Before its fit.
    dataset : ImageDataset
        The images, with their features.

    Returns
    -------
    dict of str to str
        Parameters by name, the class, and a fingerprint of the images: their files,
        their features and the pixels of 256 of them, spread evenly.
    """
    parameters = estimator.get_params(deep=False)
    return {
        "class": type(estimator).__name__,
        **{
            name: _describe(value)
            for name, value in parameters.items()
            if name not in _BESIDES_TRAINING
        },
        "images": f"{len(dataset)} with the fingerprint {_fingerprint(dataset)}",
    }


def _describe(value: Any) -> str:
    """Write a value, without the addresses of objects and NumPy's names of numbers."""
    if isinstance(value, BaseEstimator):
        parameters = value.get_params(deep=False).items()
        kept = [
            f"{name}={_describe(part)}"
            for name, part in parameters
            if name not in _BESIDES_FEATURES
        ]
        return f"{type(value).__name__}({', '.join(kept)})"
    plain = value.item() if isinstance(value, np.generic) else value
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(plain))


def _fingerprint(dataset: ImageDataset) -> str:
    """Digest what the images are."""
    digest = hashlib.sha256()
    digest.update(
        "\n".join(dataset.source.paths or ()).encode(errors="surrogateescape")
    )
    spread = np.linspace(0, len(dataset) - 1, min(_SAMPLE, len(dataset)))
    sample = dataset.indices[spread.astype(np.int64)]
    digest.update(dataset.source.read(sample, dataset.size).numpy().tobytes())
    if dataset.features is not None:
        digest.update(dataset.features.numpy().tobytes())
    return digest.hexdigest()[:16]
