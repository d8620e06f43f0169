"""Tests of the contrast of images."""

import pytest
import torch

from sklearn_mfavb.losses import InstanceContrastiveLoss


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (torch.eye(8), torch.eye(8), 1.062879),
        (torch.ones(8, 3), torch.ones(8, 3), 2.708050),
        (
            torch.tensor([[1, 0], [0, 1], [0.6, 0.8], [-0.8, 0.6]]),
            torch.tensor([[0.8, 0.6], [0.6, 0.8], [0, 1], [-1, 0]]),
            1.381366,
        ),
    ],
)
def test_values_worked_out_by_hand(first, second, expected):
    """Orthonormal, identical and mixed projections give the known values."""
    value = InstanceContrastiveLoss()(first, second)
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_equals_the_loop_over_anchors(naive_contrast):
    """Rows of any length are contrasted by their direction."""
    first, second = 3 * torch.randn(2, 6, 5)
    value = InstanceContrastiveLoss(temperature=0.3)(first, second)
    assert value.item() == pytest.approx(naive_contrast(first, second, 0.3), abs=1e-5)


def test_length_of_the_projections_does_not_count():
    """Scaling rows by any positive factors keeps the loss."""
    first, second = torch.randn(2, 6, 5)
    loss = InstanceContrastiveLoss()
    torch.testing.assert_close(
        loss(first * torch.rand(6, 1).add(0.1), second * 100), loss(first, second)
    )
