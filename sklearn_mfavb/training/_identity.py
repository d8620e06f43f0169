"""What tells one training from another: parameters and images."""

import hashlib
import pickle
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from joblib.hashing import NumpyHasher

# Parameters that do not change the result of a training.
_WITHOUT_EFFECT = {
    *("cache_dir", "callbacks", "checkpoint", "device", "on_error", "verbose"),
    "encoder__batch_size",
}
_SAMPLE = 256  # images whose pixels are compared


class _Hasher(NumpyHasher):
    """Hash values as `joblib.hash` does, and tensors by what they hold.

    The pickle of a tensor tells where it is in memory, too.
    """

    def save(self, obj: Any) -> None:
        """Add a value to the hash."""
        if isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), content.numpy())
        super().save(obj)


def describe_training(parameters: Mapping[str, Any], dataset: Any) -> dict[str, str]:
    """Describe a training, so that the checkpoint of another one is recognized.

    Parameters
    ----------
    parameters : mapping of str to object
        As ``get_params(deep=True)`` returns them.
    dataset : ImageDataset
        The images, with their features.

    Returns
    -------
    dict of str to str
        Parameters by name, and a fingerprint of the images: their files, their features
        and the pixels of 256 of them, spread evenly.

    Raises
    ------
    ValueError
        If a parameter, such as a lambda, cannot be told from others.
    """
    described = {
        name: _describe(name, value)
        for name, value in parameters.items()
        if not {name, name.rpartition("__")[2]} & _WITHOUT_EFFECT
    }
    images = f"{len(dataset)} with the fingerprint {_fingerprint(dataset)}"
    return {**described, "images": images}


def _describe(name: str, value: Any) -> str:
    """Write a value so that equal values have equal texts, and others do not."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__  # its parameters are described one by one
    if value is None or isinstance(value, str | bool | Number):
        return repr(value.item() if isinstance(value, np.generic) else value)
    try:
        return f"{type(value).__name__} {_Hasher('md5').hash(value)}"
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"checkpoint needs to know {name} again, but {value!r} cannot be told from "
            "other functions of its kind: define it in a module, or set "
            "checkpoint=None."
        ) from error


def _fingerprint(dataset: Any) -> str:
    """Hash paths, features and a sample of the pixels."""
    digest = hashlib.sha256()
    if dataset.source is not None:
        paths = dataset.source.paths or ()
        digest.update("\n".join(paths).encode(errors="surrogateescape"))
    if dataset.size is not None:
        spread = np.linspace(0, len(dataset) - 1, min(_SAMPLE, len(dataset)))
        sample = dataset.indices[spread.astype(np.int64)]
        digest.update(dataset.source.read(sample, dataset.size).numpy().tobytes())
    if dataset.features is not None:
        digest.update(dataset.features.numpy().tobytes())
    return digest.hexdigest()[:16]
