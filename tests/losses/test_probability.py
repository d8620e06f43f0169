"""Contrast of assignments by rows: the loop of its equation, and its limits."""

import math

import pytest
import torch

from sklearn_mfavb.losses import ProbabilityContrastiveLoss


@pytest.mark.parametrize("n_images", [1, 2, 7])
@pytest.mark.parametrize("smoothing", [0.0, 0.01, 0.5])
def test_probability_contrast(n_images, smoothing):
    """Minus log of the partner's dot product over the sum of those of all others."""
    views = torch.randn(2, n_images, 4, dtype=torch.float64).softmax(dim=2)
    rows = [
        [(1 - smoothing) * p + smoothing / 4 for p in row]
        for row in views.flatten(0, 1).tolist()
    ]
    products = [
        [sum(p * q for p, q in zip(a, b, strict=True)) for b in rows] for a in rows
    ]
    expected = 0.0
    for i, scores in enumerate(products):
        others = sum(scores) - scores[i]
        expected -= math.log(scores[(i + n_images) % len(rows)] / others) / len(rows)
    value = ProbabilityContrastiveLoss(smoothing)(*views)
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_limits_of_probability_contrast():
    """Two images in clusters of their own: 0; clusters that tell nothing: log 2n-1."""
    loss, apart = ProbabilityContrastiveLoss(0.0), torch.eye(2)
    assert loss(apart, apart).item() == pytest.approx(0.0, abs=1e-6)
    uniform = torch.full((8, 5), 0.2)
    assert loss(uniform, uniform).item() == pytest.approx(math.log(15), rel=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1"):
        ProbabilityContrastiveLoss(smoothing)
