"""The contrast as a student would write it."""

import math
from collections.abc import Callable

import pytest
import torch


@pytest.fixture
def naive_contrast() -> Callable[[torch.Tensor, torch.Tensor, float], float]:
    """Return a loop over anchors that scales the rows itself."""

    def contrast(first: torch.Tensor, second: torch.Tensor, temperature: float):
        rows = [row / row.norm() for row in torch.cat([first, second])]
        total = 0.0
        for anchor in range(len(rows)):
            partner = (anchor + len(first)) % len(rows)
            scores = {
                other: float(rows[anchor] @ rows[other]) / temperature
                for other in range(len(rows))
                if other != anchor
            }
            total += math.log(sum(map(math.exp, scores.values()))) - scores[partner]
        return total / len(rows)

    return contrast
