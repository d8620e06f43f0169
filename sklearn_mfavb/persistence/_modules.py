"""Networks as tensors, and tensors back into networks that were built anew."""

import math
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_mfavb.persistence._file import Tensors

# Networks have parts that are thrown away when they are built, such as a classifier.
_MADE_PER_SAVED = 16
_ALWAYS_ALLOWED = 2**25  # numbers; 128 MB
_SMALLEST_COST = 2**13  # numbers; about what the objects around a tensor take

_N_LISTED = 5


def gather(module: nn.Module, prefix: str) -> Tensors:
    """Take the state of a network to the CPU, each tensor with memory of its own.

    Parameters
    ----------
    module : torch.nn.Module
        Is left as it is.
    prefix : str
        Put before every name.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    TypeError
        If the state holds anything but tensors.
    """
    tensors: Tensors = {}
    taken: set[int] = set()
    for name, value in module.state_dict().items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{prefix}{name} is a {type(value).__name__}, no tensor")
        tensor = value.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        tensors[prefix + name] = tensor.clone() if place in taken else tensor
        taken.add(place)
    return tensors


def fill(module: nn.Module, tensors: Tensors, prefix: str) -> None:
    """Load the state of a network, if it fits exactly.

    Parameters
    ----------
    module : torch.nn.Module
        Is changed.
    tensors : dict of str to torch.Tensor
        Those whose names begin with the prefix are taken out.
    prefix : str
        As it was given to `gather`.

    Raises
    ------
    ValueError
        If names, shapes or types differ; nothing is changed then.
    """
    state = {
        name.removeprefix(prefix): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(prefix)
    }
    built = {name: _kind(value) for name, value in module.state_dict().items()}
    saved = {name: _kind(value) for name, value in state.items()}
    differing = [
        f"{prefix}{name} ({saved.get(name, 'not')} saved, {built.get(name, 'not')} "
        "built)"
        for name in sorted(built.keys() | saved.keys())
        if built.get(name) != saved.get(name)
    ]
    if differing:
        rest = f" and {len(differing) - _N_LISTED} more" * (len(differing) > _N_LISTED)
        raise ValueError(
            "the network that its description builds has other weights than those "
            f"saved: {', '.join(differing[:_N_LISTED])}{rest}"
        )
    module.load_state_dict(state)


def _kind(value: Any) -> str:
    """Say of what type and shape a tensor is."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


class LimitedMemory(TorchDispatchMode):
    """Stop the building of networks that are far larger than what was saved.

    Within the block every tensor that is made from a size alone counts, before it is
    made: weights, and the images that a network is tried with.

    Parameters
    ----------
    n_saved : int
        Numbers in the file. Many times as many may be made, and some always.
    """

    def __init__(self, n_saved: int) -> None:
        super().__init__()
        self.n_saved = n_saved
        self.left = _MADE_PER_SAVED * n_saved + _ALWAYS_ALLOWED

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Count what an operation makes; raise ValueError when it is too much."""
        size = args[0] if args else None
        if isinstance(size, list | tuple) and all(isinstance(n, int) for n in size):
            self.left -= max(math.prod(size), _SMALLEST_COST)
        if self.left < 0:
            raise ValueError(
                "the networks that it describes are far larger than the "
                f"{self.n_saved:,} numbers it holds"
            )
        return func(*args, **(kwargs or {}))
