"""A limit to what a file can make this machine build."""

import math
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# Networks have parts that are thrown away when they are built, such as a classifier.
_MADE_PER_SAVED = 16
_ALWAYS_ALLOWED = 2**25  # numbers; 128 MB
_SMALLEST_COST = 2**13  # numbers; about what the objects around a tensor take


class LimitedMemory(TorchDispatchMode):
    """Stop the building of networks that are far larger than what was saved.

    Within the block every tensor that is made from a size alone counts, before it is
    made: weights, and the images that a network is tried with.
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
