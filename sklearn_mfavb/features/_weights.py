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

    A checkpoint is a dict of tensors, alone or under "state_dict" or "model"; the
    prefix "module." of parallel training is removed. Code in it is never run: a file
    that holds anything but weights raises ValueError.
    """
    path = os.fspath(path)
    try:
        content = _read_any(path)
    except FileNotFoundError:
        raise
    # Both readers raise errors of many kinds for a broken file.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"pretrained={path!r} cannot be read as weights (a safetensors file, or a "
            f"dict of tensors written by torch.save): {reason}"
        ) from error
    weights = {
        name: tensor
        for name, tensor in _unwrap(content).items()
        if isinstance(tensor, Tensor)
    }
    if not weights:
        raise ValueError(f"pretrained={path!r} holds no weights.")
    prefix = "module." if all(name.startswith("module.") for name in weights) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}


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


def _list_names(kind: str, names: set[str]) -> str:
    """Return the number of names and the first few."""
    first = ", ".join(sorted(names)[:N_LISTED])
    return f"{len(names)} {kind} ({first}{', ...' if len(names) > N_LISTED else ''})"
