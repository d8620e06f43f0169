"""Tests of the contrast of clusters and of their balance."""

import math

import pytest
import torch

from sklearn_mfavb.losses import ClusterContrastiveLoss, balance_loss


def draw_assignments(n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw the cluster probabilities of two views."""
    return torch.randn(2, n_images, n_clusters, dtype=dtype).softmax(dim=2)


@pytest.mark.parametrize(
    ("n_clusters", "expected"),
    [(4, 1.945910), (10, 2.944439), (20, 3.663562), (21, 3.713572)],
)
def test_uniform_assignments(n_clusters, expected):
    """Images spread over all clusters alike: log(2K - 1), and balanced."""
    uniform = torch.full((6, n_clusters), 1 / n_clusters)
    value = ClusterContrastiveLoss()(uniform, uniform)
    assert value.item() == pytest.approx(expected, abs=1e-5)
    assert balance_loss(uniform, uniform).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("n_clusters", "expected"),
    [(4, 1.165422), (10, 2.031016), (20, 2.706677), (21, 2.754627)],
)
def test_crisp_balanced_assignments(n_clusters, expected):
    """Crisp, agreeing, balanced clusters reach log(1 + (2K - 2) / e)."""
    crisp = torch.eye(n_clusters).repeat(3, 1)
    value = ClusterContrastiveLoss()(crisp, crisp)
    assert value.item() == pytest.approx(expected, abs=1e-5)
    assert balance_loss(crisp, crisp).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "contrast", "balance"),
    [
        (torch.eye(10)[[3] * 8], torch.eye(10)[[3] * 8], 2.853097, 4.605170),
        (
            torch.tensor([[0.98, 0.01, 0.01]] * 2),
            torch.tensor([[0.98, 0.01, 0.01]] * 2),
            1.609438,
            1.973420,
        ),
        (
            torch.tensor(
                [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]]
            ),
            torch.tensor(
                [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.4, 0.4, 0.2]]
            ),
            1.282764,
            0.039520,
        ),
    ],
    ids=["collapsed", "nearly collapsed", "mixed"],
)
def test_values_worked_out_by_hand(first, second, contrast, balance):
    """Contrast and balance of collapsed and mixed assignments are the known values."""
    assert ClusterContrastiveLoss()(first, second).item() == pytest.approx(
        contrast, abs=1e-5
    )
    assert balance_loss(first, second).item() == pytest.approx(balance, abs=1e-5)


def test_contrast_equals_the_loop_over_columns(naive_contrast):
    """The loss is the contrast of the columns, scaled to unit length."""
    first, second = draw_assignments()
    value = ClusterContrastiveLoss(temperature=0.7)(first, second)
    assert value.item() == pytest.approx(
        naive_contrast(first.T, second.T, 0.7), abs=1e-5
    )


def test_balance_equals_the_loop_over_clusters():
    """The loss is log K minus the entropy of the mean, for each view."""
    views = draw_assignments()
    expected = 0.0
    for view in views.tolist():
        expected += math.log(4)
        for cluster in range(4):
            share = sum(row[cluster] for row in view) / len(view)
            expected += share * math.log(share)
    assert balance_loss(*views).item() == pytest.approx(expected, abs=1e-5)


def test_balance_asks_for_images_in_an_empty_cluster():
    """Descent raises an empty cluster more than any cluster in use."""
    assignment = torch.eye(3)[[0, 0, 1]].requires_grad_()
    balance_loss(assignment, assignment).backward()
    empty, in_use = assignment.grad[:, 2], assignment.grad[:, :2]
    assert (empty < in_use.min()).all()
