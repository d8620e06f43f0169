"""Weights in local files: read without running any code, loaded only if they fit."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# Where training scripts keep the weights inside a checkpoint.
NESTED_UNDER = ("state_dict", "model")

N_LISTED = 5


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or a torch checkpoint.

    Parameters
    ----------
    path : str or path-like
        A file that ends in ``.safetensors``, or one that ``torch.save`` wrote with a
        dict of tensors, alone or under "state_dict" or "model".

    Returns
    -------
    weights : dict of str to torch.Tensor
        Without the prefix "module." of parallel training.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds anything else than weights. Code in it is never run.
    """
    try:
        content = _read_any(os.fspath(path))
    except FileNotFoundError:
        raise
    # Both readers raise errors of many kinds for a broken file.
    except Exception as error:
        raise ValueError(
            f"pretrained={os.fspath(path)!r} cannot be read as weights (a safetensors "
            "file, or a dict of tensors written by torch.save): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    weights = {
        name: tensor
        for name, tensor in _unwrap(content).items()
        if isinstance(tensor, Tensor)
    }
    if not weights:
        raise ValueError(f"pretrained={os.fspath(path)!r} holds no weights.")
    return _without_prefix(weights, "module.")


def image_tower_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Pick the weights of the image tower: all under "visual.", else everything."""
    prefix = "visual."
    picked = {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
    return picked or weights


def load_weights(
    tower: nn.Module, weights: dict[str, Tensor], *, model: str, path: str
) -> None:
    """Load weights that fit exactly; raise ValueError that lists those that do not."""
    expected = tower.state_dict()
    shared = expected.keys() & weights.keys()
    problems = {
        "missing": expected.keys() - shared,
        "unexpected": weights.keys() - shared,
        "of another shape": {
            name for name in shared if expected[name].shape != weights[name].shape
        },
    }
    found = [_list_names(kind, names) for kind, names in problems.items() if names]
    if found:
        raise ValueError(
            f"pretrained={path!r} does not hold the weights of model={model!r}: "
            f"{'; '.join(found)}. Is it the file of another model?"
        )
    tower.load_state_dict(weights)


def _read_any(path: str) -> Any:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(content: Any) -> Mapping[str, Any]:
    """Return the dict of tensors in a checkpoint."""
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    return content if isinstance(content, Mapping) else {}


def _without_prefix(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove a prefix that all names have."""
    if not all(name.startswith(prefix) for name in weights):
        return weights
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}


def _list_names(kind: str, names: set[str]) -> str:
    """Say how many names there are, and the first few."""
    first = ", ".join(sorted(names)[:N_LISTED])
    return f"{len(names)} {kind} ({first}{', ...' if len(names) > N_LISTED else ''})"
