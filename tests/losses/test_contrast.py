"""Tests of the contrast of images and of clusters, and of the clusters' balance."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    InstanceContrastiveLoss,
    balance_loss,
    paired_contrast,
)


def naive_contrast(first, second, temperature):
    """Contrast rows as a student would write it: a loop that scales the rows itself."""
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


@pytest.mark.parametrize("n_rows", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_losses_equal_the_loop_over_anchors(n_rows, temperature):
    """The matrix form is the sum a reader would write, of rows or of columns."""
    first, second = 3 * torch.randn(2, n_rows, 5)
    expected = pytest.approx(naive_contrast(first, second, temperature), abs=1e-5)
    unit = normalize(first), normalize(second)
    assert paired_contrast(*unit, temperature).item() == expected
    assert InstanceContrastiveLoss(temperature)(first, second).item() == expected
    value = ClusterContrastiveLoss(temperature)(first.T, second.T)
    assert value.item() == expected


def test_a_single_pair_scores_zero_with_zero_gradient():
    """With no negatives there is nothing to learn, and nothing breaks."""
    first, second = normalize(torch.randn(2, 1, 5), dim=2)
    value = paired_contrast(first.requires_grad_(), second, 0.5)
    value.backward()
    assert value.item() == 0
    assert first.grad.abs().max() == 0


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3, 2), (3, 4)), ((3,), (3,))])
def test_shapes_that_are_no_pairs_are_named(shapes):
    """Rows without partners raise, with both shapes in the message."""
    with pytest.raises(ValueError, match=r"first and second .*\(3,"):
        paired_contrast(torch.ones(shapes[0]), torch.ones(shapes[1]), 0.5)


def test_length_of_the_projections_does_not_count():
    """Scaling rows by any positive factors keeps the loss."""
    first, second = torch.randn(2, 6, 5)
    loss = InstanceContrastiveLoss()
    torch.testing.assert_close(
        loss(first * torch.rand(6, 1).add(0.1), second * 100), loss(first, second)
    )


@pytest.mark.parametrize("n_clusters", [4, 10, 21])
def test_known_assignments(n_clusters):
    """Uniform and crisp balanced assignments end the range, a collapse is between."""
    uniform = torch.full((6, n_clusters), 1 / n_clusters)
    crisp = torch.eye(n_clusters).repeat(3, 1)
    collapsed = torch.eye(n_clusters)[[3] * 8]
    n_others = 2 * n_clusters - 2
    most, least = math.log(n_others + 1), math.log(1 + n_others / math.e)
    # The empty clusters of a collapse have cosine 0 with all others.
    between = (least + (n_clusters - 1) * most) / n_clusters
    for assignment, contrast, balance in (
        (uniform, most, 0),
        (crisp, least, 0),
        (collapsed, between, 2 * math.log(n_clusters)),
    ):
        value = ClusterContrastiveLoss()(assignment, assignment)
        assert value.item() == pytest.approx(contrast, abs=1e-5)
        value = balance_loss(assignment, assignment)
        assert value.item() == pytest.approx(balance, abs=1e-5)


def test_balance_equals_the_loop_over_clusters():
    """The loss is log K minus the entropy of the mean, for each view."""
    views = torch.randn(2, 9, 4).softmax(dim=2)
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
