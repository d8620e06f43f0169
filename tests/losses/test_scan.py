"""Tests of agreement with neighbors, of balance and of self-labeling."""

import math

import pytest
import torch

from sklearn_mfavb.losses import (
    SCANLoss,
    SelfLabelLoss,
    consistency_loss,
    entropy_of_mean,
)

# Kept at 0.99: two images in cluster 0, one in cluster 2, none in cluster 1.
WEAK = torch.tensor(
    [
        [0.995, 0.005, 0.000],
        [0.050, 0.900, 0.050],
        [0.000, 0.002, 0.998],
        [0.999, 0.001, 0.000],
        [0.020, 0.000, 0.980],
    ]
)


def draw_assignments(n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw the cluster probabilities of images and of their neighbors."""
    return torch.randn(2, n_images, n_clusters, dtype=dtype).softmax(dim=2)


@pytest.mark.parametrize("entropy_weight", [0.0, 2.0])
def test_equals_the_loop_over_images_and_clusters(entropy_weight):
    """The loss is surprise minus weighted entropy of the anchors, as a loop."""
    anchor, neighbor = (side.tolist() for side in draw_assignments())
    expected = 0.0
    for own, other in zip(anchor, neighbor, strict=True):
        agreement = sum(own[cluster] * other[cluster] for cluster in range(4))
        expected -= math.log(agreement) / len(anchor)
    for cluster in range(4):
        share = sum(own[cluster] for own in anchor) / len(anchor)
        expected += entropy_weight * share * math.log(share)
    value = SCANLoss(entropy_weight)(torch.tensor(anchor), torch.tensor(neighbor))
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_sides_differ_in_the_entropy_alone():
    """Swapping image and neighbor keeps the consistency and moves the entropy."""
    anchor, neighbor = draw_assignments()
    torch.testing.assert_close(
        consistency_loss(neighbor, anchor), consistency_loss(anchor, neighbor)
    )
    torch.testing.assert_close(
        SCANLoss()(anchor, neighbor) - SCANLoss()(neighbor, anchor),
        5 * (entropy_of_mean(neighbor) - entropy_of_mean(anchor)),
    )


def test_opposite_neighbors_are_still_pulled_together():
    """Crisp assignments that disagree have the gradient that makes them agree."""
    pair = torch.stack([torch.eye(2)[[0]], torch.eye(2)[[1]]]).requires_grad_()
    consistency_loss(*pair).backward()
    assert pair.grad[0, 0, 1] < pair.grad[0, 0, 0]
    assert pair.grad[1, 0, 0] < pair.grad[1, 0, 1]


def test_self_label_equals_the_loop_over_confident_images():
    """Each kept image weighs n / n_c, and the loss is the weighted mean."""
    strong = draw_assignments(5, 3)[0]
    labels = {0: 0, 2: 2, 3: 0}
    counts = [list(labels.values()).count(cluster) for cluster in range(3)]
    total = weights = 0.0
    for row, label in labels.items():
        weight = len(labels) / counts[label]
        total -= weight * math.log(strong[row, label].item())
        weights += weight
    value = SelfLabelLoss()(strong, WEAK)
    assert value.item() == pytest.approx(total / weights, abs=1e-5)


def test_self_label_leaves_unsure_images_out():
    """Only the strong views of kept images get a gradient."""
    strong = draw_assignments(5, 3)[0].requires_grad_()
    SelfLabelLoss()(strong, WEAK).backward()
    has_gradient = strong.grad.abs().sum(dim=1) > 0
    assert has_gradient.tolist() == [True, False, True, True, False]


def test_clusters_of_any_size_have_one_vote():
    """A hundred more images of a cluster that is learned alike change nothing."""
    strong, weak = draw_assignments(2, 2)[0], torch.eye(2)
    more = [0] * 100 + [1]
    torch.testing.assert_close(
        SelfLabelLoss()(strong[more], weak[more]), SelfLabelLoss()(strong, weak)
    )


def test_no_confident_image_gives_zero_with_a_gradient_of_zero():
    """A batch of unsure images can be stepped on, and moves nothing."""
    strong = draw_assignments(5, 3)[0].requires_grad_()
    value = SelfLabelLoss()(strong, torch.full((5, 3), 1 / 3))
    value.backward()
    assert value.item() == 0
    assert strong.grad.abs().max() == 0
