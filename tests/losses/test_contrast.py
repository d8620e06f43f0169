"""Tests of the contrast of paired rows."""

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import paired_contrast


def unit_pair(n_rows=6, dim=5, dtype=torch.float32):
    """Draw two matrices of unit rows."""
    pair = torch.randn(2, n_rows, dim, dtype=dtype)
    return normalize(pair, dim=2)


@pytest.mark.parametrize("n_rows", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loop_over_anchors(naive_contrast, n_rows, temperature):
    """The matrix form is the sum a reader would write by hand."""
    first, second = unit_pair(n_rows)
    value = paired_contrast(first, second, temperature)
    assert value.item() == pytest.approx(
        naive_contrast(first, second, temperature), abs=1e-5
    )


def test_a_single_pair_scores_zero_with_zero_gradient():
    """With no negatives there is nothing to learn, and nothing breaks."""
    first, second = unit_pair(1)
    value = paired_contrast(first.requires_grad_(), second, 0.5)
    value.backward()
    assert value.item() == 0
    assert first.grad.abs().max() == 0


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3, 2), (3, 4)), ((3,), (3,))])
def test_shapes_that_are_no_pairs_are_named(shapes):
    """Rows without partners raise, with both shapes in the message."""
    with pytest.raises(ValueError, match=r"first and second .*\(3,"):
        paired_contrast(torch.ones(shapes[0]), torch.ones(shapes[1]), 0.5)
