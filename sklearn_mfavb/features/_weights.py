"""Weights in local files: read without running any code, loaded only if they fit."""

import os

from torch import Tensor, nn

N_LISTED = 5


def read_weights(path: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or a torch checkpoint.

    A checkpoint is a dict of tensors, alone or under "state_dict" or "model", with or
    without the prefix "module." of parallel training. Code in it is never run.
    """
    from timm.models import load_state_dict

    if not os.path.isfile(path):
        raise FileNotFoundError(f"pretrained={path!r}: there is no such file.")
    try:
        content = load_state_dict(path, use_ema=False, weights_only=True)
    # The readers raise errors of many kinds for a broken file.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"pretrained={path!r} cannot be read as weights (a safetensors file, or a "
            f"dict of tensors written by torch.save): {reason}"
        ) from error
    return {k: value for k, value in content.items() if isinstance(value, Tensor)}


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


def _list_names(kind: str, names: set[str]) -> str:
    """Return the number of names and the first few."""
    first = ", ".join(sorted(names)[:N_LISTED])
    return f"{len(names)} {kind} ({first}{', ...' if len(names) > N_LISTED else ''})"
