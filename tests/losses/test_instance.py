"""Tests of the contrast of images."""

import math

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


def test_gradient_is_that_of_the_value():
    """Finite differences in float64 agree with backward."""
    pair = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda views: InstanceContrastiveLoss()(views[0], views[1]), pair
    )


@pytest.mark.parametrize(
    "views",
    [torch.randn(2, 1, 4), torch.ones(2, 5, 4), torch.zeros(2, 3, 4)],
    ids=["one image", "identical images", "zero projections"],
)
def test_degenerate_projections_stay_finite(views):
    """One image, identical images and zero rows give finite values and gradients."""
    views = views.requires_grad_()
    value = InstanceContrastiveLoss()(views[0], views[1])
    (gradient,) = torch.autograd.grad(value, views)
    assert math.isfinite(value.item())
    assert gradient.isfinite().all()


def test_bfloat16_projections_are_scored_in_float32():
    """Half precision comes in, float32 close to the exact value comes out."""
    first, second = torch.randn(2, 16, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = InstanceContrastiveLoss()(first.bfloat16(), second.bfloat16())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(
        InstanceContrastiveLoss()(first, second).item(), abs=0.01
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    """A temperature that cannot divide is refused by name."""
    with pytest.raises(ValueError, match="temperature must be greater than 0"):
        InstanceContrastiveLoss(temperature=temperature)
