"""Tests of the tie between the views of an image and the image itself."""

import math

import pytest
import torch

from sklearn_mfavb.losses import AnchorConsistencyLoss


def draw_assignments(n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw the cluster probabilities of the images and of two views."""
    return torch.randn(3, n_images, n_clusters, dtype=dtype).softmax(dim=2)


def test_equals_the_loop_over_images_and_clusters():
    """The loss is the mean divergence of both views, written as a loop."""
    anchor, *views = draw_assignments().tolist()
    expected = 0.0
    for view in views:
        for of_image, of_view in zip(anchor, view, strict=True):
            for target, probability in zip(of_image, of_view, strict=True):
                expected += target * math.log(target / probability) / len(anchor)
    value = AnchorConsistencyLoss()(*map(torch.tensor, (anchor, *views)))
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_views_that_agree_with_the_image_score_zero():
    """Where all three are the same there is nothing to learn."""
    anchor = draw_assignments()[0].requires_grad_()
    value = AnchorConsistencyLoss()(anchor.detach(), anchor, anchor)
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_divergence_is_that_of_the_view_from_the_image():
    """A crisp anchor and an unsure view cost log 2; the converse costs far more."""
    crisp, unsure = torch.eye(2), torch.full((2, 2), 0.5)
    loss = AnchorConsistencyLoss()
    assert loss(crisp, crisp, unsure).item() == pytest.approx(math.log(2), abs=1e-6)
    assert loss(unsure, unsure, crisp).item() > 5


def test_a_view_that_rules_the_cluster_out_is_still_pulled():
    """A probability of 0 has the gradient that raises it most."""
    view = torch.eye(2)[[1]].requires_grad_()
    AnchorConsistencyLoss()(torch.eye(2)[[0]], view, view).backward()
    assert view.grad[0, 0] < view.grad[0, 1]
