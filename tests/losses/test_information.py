"""Tests of the mutual information between the clusters of positives."""

import math

import pytest
import torch

from sklearn_mfavb.losses import MutualInformationLoss


def draw_assignments(n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw the cluster probabilities of two views."""
    return torch.randn(2, n_images, n_clusters, dtype=dtype).softmax(dim=2)


@pytest.mark.parametrize("exponent", [0.6, 1.0])
def test_equals_the_loop_over_images_and_clusters(exponent):
    """The loss is equation 5 of TEMI, written as a loop."""
    first, second = (view.tolist() for view in draw_assignments())
    share = [
        sum(row[cluster] for row in first + second) / (2 * len(first))
        for cluster in range(4)
    ]
    expected = 0.0
    for of_image, of_positive in zip(first, second, strict=True):
        agreement = sum(
            (of_image[cluster] * of_positive[cluster]) ** exponent / share[cluster]
            for cluster in range(4)
        )
        expected -= math.log(agreement) / len(first)
    value = MutualInformationLoss(exponent)(torch.tensor(first), torch.tensor(second))
    assert value.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n_clusters", [2, 4, 10])
def test_crisp_balanced_clusters_tell_all(n_clusters):
    """Crisp, agreeing, balanced clusters reach -log K."""
    crisp = torch.eye(n_clusters).repeat(3, 1)
    value = MutualInformationLoss()(crisp, crisp)
    # An exponent below one lifts the entries of 1e-8 to 2e-5.
    assert value.item() == pytest.approx(-math.log(n_clusters), abs=1e-3)


@pytest.mark.parametrize("n_clusters", [2, 5])
def test_uniform_assignments_tell_nothing(n_clusters):
    """Images spread over all clusters alike have no information at exponent one."""
    uniform = torch.full((6, n_clusters), 1 / n_clusters)
    assert MutualInformationLoss(1.0)(uniform, uniform).item() == pytest.approx(
        0, abs=1e-6
    )


def test_positives_of_other_images_tell_less():
    """Crisp assignments that agree score lower than the same ones shuffled."""
    crisp = torch.eye(4).repeat(3, 1)
    loss = MutualInformationLoss()
    assert loss(crisp, crisp) < loss(crisp, crisp.roll(1, dims=0)) - 1


def test_gradient_is_that_of_the_value():
    """Finite differences in float64 agree with backward where the mean stays put."""
    first, second = draw_assignments(5, 3, dtype=torch.float64)
    step = torch.zeros_like(first, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda step: MutualInformationLoss()(first + step, second - step), step
    )


def test_the_mean_is_a_constant_for_the_gradient():
    """The gradient is that of the formula with the mean put in as numbers."""
    first, second = draw_assignments(dtype=torch.float64)
    first.requires_grad_()
    share = torch.cat([first, second]).mean(dim=0).detach()
    formula = -((first * second) ** 0.6 / share).sum(dim=1).log().mean()
    (expected,) = torch.autograd.grad(formula, first)
    (gradient,) = torch.autograd.grad(MutualInformationLoss()(first, second), first)
    torch.testing.assert_close(gradient, expected)


def test_empty_cluster_changes_nothing_for_the_others():
    """A cluster without mass adds next to nothing to what the others tell."""
    full = torch.randn(64, 9).softmax(dim=1)
    empty = torch.cat([full, torch.zeros(64, 1)], dim=1)
    loss = MutualInformationLoss()
    difference = loss(empty, empty) - loss(full, full)
    assert abs(difference.item()) < 0.05
