"""What tells one training from another: parameters and images, written as texts."""

import hashlib
import pickle
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from joblib.hashing import NumpyHasher
from sklearn.utils import gen_batches

# Parameters that do not change the result of a training.
_WITHOUT_EFFECT = {
    *("cache_dir", "callbacks", "checkpoint", "device", "n_jobs"),
    *("on_error", "verbose"),
    "encoder__batch_size",
}
_SAMPLE = 256  # images whose pixels are compared
_BLOCK_ROWS = 4096  # of features that are hashed at once


def describe_training(parameters: Mapping[str, Any], dataset: Any) -> dict[str, str]:
    """Describe the parameters of `get_params(deep=True)`, and the images.

    A parameter that cannot be told from others, such as a lambda, raises ValueError.
    """
    images = f"{len(dataset)} with the fingerprint {_fingerprint(dataset)}"
    return {**_describe_all(parameters), "images": images}


def _describe_all(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Describe the parameters that change the result of a training."""
    return {
        name: _describe(name, value)
        for name, value in parameters.items()
        if not {name, name.rpartition("__")[2]} & _WITHOUT_EFFECT
    }


def _describe(name: str, value: Any, *, is_item: bool = False) -> str:
    """Write a value so that equal values have equal texts, and others do not."""
    kind = type(value).__name__
    if hasattr(value, "get_params") and not isinstance(value, type):
        if not is_item:
            return kind  # its parameters are described one by one
        nested = {f"{name}__{key}": each for key, each in value.get_params().items()}
        return f"{kind} of {_describe_all(nested)}"
    if isinstance(value, list | tuple):
        items = [_describe(name, item, is_item=True) for item in value]
        return f"{kind} of {', '.join(items)}"
    if value is None or isinstance(value, str | bool | Number):
        return repr(value.item() if isinstance(value, np.generic) else value)
    try:
        return f"{kind} {_Hasher('md5').hash(value)}"
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"checkpoint must recognize {name} later, but {value!r} cannot be "
            "distinguished from other functions of its kind: define it in a module, "
            "or set checkpoint=None."
        ) from error


class _Hasher(NumpyHasher):
    """Hash as `joblib.hash` does, but tensors by content, not by place in memory."""

    def save(self, obj: Any) -> None:
        """Add a value to the hash."""
        if isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), content.numpy())
        super().save(obj)


def _fingerprint(dataset: Any) -> str:
    """Hash paths, features and the pixels of images that are spread evenly."""
    digest = hashlib.sha256()
    if dataset.source is not None:
        paths = dataset.source.paths or ()
        digest.update("\n".join(paths).encode(errors="surrogateescape"))
    if dataset.size is not None:
        spread = np.linspace(0, len(dataset) - 1, min(_SAMPLE, len(dataset)))
        sample = dataset.indices[spread.astype(np.int64)]
        digest.update(dataset.source.read(sample, dataset.size).numpy().tobytes())
    if dataset.features is not None:
        for rows in gen_batches(len(dataset), _BLOCK_ROWS):
            digest.update(dataset.features[rows].numpy().tobytes())
    return digest.hexdigest()[:16]
