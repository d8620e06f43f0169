"""Contrast with several positives: the loops of the equations, and their limits."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import (
    AssignmentContrastiveLoss,
    CrossInstanceLoss,
    NeighborContrastiveLoss,
)

# Of which the values of C3 and of the instance loss were computed by hand.
FIRST = torch.tensor([[1, 0], [0, 1], [0.6, 0.8], [-0.8, 0.6]])
SECOND = torch.tensor([[0.8, 0.6], [0.6, 0.8], [0, 1], [-1, 0]])


def near(value):
    return pytest.approx(value, rel=1e-5, abs=1e-6)


def test_cross_instance_of_the_fixture():
    assert CrossInstanceLoss(0.6)(FIRST, SECOND).item() == near(1.014830)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.6, 1.0])
def test_cross_instance(threshold):
    """Twice the mean surprise at all that are alike; their length does not count."""
    views = torch.randn(2, 5, 3, dtype=torch.float64)
    rows, expected = normalize(views, dim=2).flatten(0, 1), 0.0
    for i, row in enumerate(rows):
        scores = [float(row @ other) for other in rows]
        alike = [
            math.exp(score)
            for j, score in enumerate(scores)
            if score > threshold or j in (i, (i + 5) % 10)
        ]
        expected -= math.log(sum(alike) / sum(map(math.exp, scores))) / 5
    assert CrossInstanceLoss(threshold)(*views).item() == near(expected)


def test_cross_instance_is_zero_where_all_are_alike():
    assert CrossInstanceLoss(0.6)(torch.ones(6, 3), torch.ones(6, 3)).item() == near(0)


@pytest.mark.parametrize("n_positives", [1, 2, 3])
def test_neighbor_contrast(n_positives):
    """Positives of an image over all that is not its own."""
    parts = normalize(torch.randn(1 + n_positives, 5, 3, dtype=torch.float64), dim=2)
    expected = 0.0
    for i in range(5):
        own, others = [], []
        for part in range(len(parts)):
            for j in range(5):
                score = math.exp(float(parts[0, i] @ parts[part, j]) / 0.2)
                if i != j:
                    others.append(score)
                elif part:
                    own.append(score)
        expected -= math.log(sum(own) / sum(others)) / 5
    assert NeighborContrastiveLoss(0.2)(*parts).item() == near(expected)


def test_neighbor_contrast_of_one_image_is_zero():
    rows = torch.ones(3, 1, 4, requires_grad=True)
    value = NeighborContrastiveLoss()(*rows)
    assert value.item() == 0.0
    assert torch.autograd.grad(value, rows)[0].abs().max() == 0.0


def test_assignment_contrast():
    """The surprise at a cluster's own column, one way."""
    first, second = torch.randn(2, 6, 3, dtype=torch.float64).softmax(dim=2)
    expected = 0.0
    for k in range(3):
        column = first[:, k] / first[:, k].norm()
        scores = [float(column @ second[:, m] / second[:, m].norm()) for m in range(3)]
        expected += (math.log(sum(map(math.exp, scores))) - scores[k]) / 3
    assert AssignmentContrastiveLoss()(first, second).item() == near(expected)
    uniform = torch.full((6, 5), 0.2)
    assert AssignmentContrastiveLoss()(uniform, uniform).item() == near(math.log(5))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_out_of_range_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be greater than 0"):
        NeighborContrastiveLoss(temperature)
