"""Tests of assignments to centers, their sharpening, and the tie to an anchor."""

import math

import pytest
import torch

from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    DECLoss,
    student_t_assignment,
    target_distribution,
)

EMBEDDING = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 3.0], [4.0, 3.0]])
CENTERS = torch.tensor([[0.0, 0.0], [4.0, 4.0]])


def draw_assignment(n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw cluster probabilities."""
    return torch.randn(n_images, n_clusters, dtype=dtype).softmax(dim=1)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_assignment_equals_the_loop_over_centers(alpha):
    """Each probability is the kernel of its distance over the sum of the kernels."""
    embedding, centers = torch.randn(5, 3), torch.randn(4, 3)
    expected = []
    for row in embedding.tolist():
        kernels = [
            (1 + math.dist(row, center) ** 2 / alpha) ** (-(alpha + 1) / 2)
            for center in centers.tolist()
        ]
        expected.append([kernel / sum(kernels) for kernel in kernels])
    torch.testing.assert_close(
        student_t_assignment(embedding, centers, alpha), torch.tensor(expected)
    )


def test_loss_equals_the_loop_over_images_and_clusters():
    """The loss is the mean divergence from the target, written as a loop."""
    assignment = draw_assignment()
    rows = assignment.tolist()
    size = [sum(row[cluster] for row in rows) for cluster in range(4)]
    expected = 0.0
    for row in rows:
        weight = [row[cluster] ** 2 / size[cluster] for cluster in range(4)]
        for cluster in range(4):
            target = weight[cluster] / sum(weight)
            expected += target * math.log(target / row[cluster]) / len(rows)
    assert DECLoss()(assignment).item() == pytest.approx(expected, abs=1e-5)


def test_moving_the_space_changes_no_assignment():
    """Only differences of embeddings and centers count."""
    torch.testing.assert_close(
        student_t_assignment(EMBEDDING + 2, CENTERS + 2),
        student_t_assignment(EMBEDDING, CENTERS),
    )


def test_order_of_the_centers_is_that_of_the_columns():
    """Renaming the centers renames the clusters, in assignment and target alike."""
    embedding, centers = torch.randn(5, 3), torch.randn(4, 3)
    assignment = student_t_assignment(embedding, centers)
    order = torch.randperm(4)
    renamed = student_t_assignment(embedding, centers[order])
    torch.testing.assert_close(renamed, assignment[:, order])
    torch.testing.assert_close(
        target_distribution(renamed), target_distribution(assignment)[:, order]
    )


def test_target_weighs_large_clusters_down():
    """An undecided image is sent to the smaller cluster."""
    undecided, large = [0.5, 0.5], [0.9, 0.1]
    target = target_distribution(torch.tensor([undecided, large, large]))
    assert target[0, 1] > 0.7


def test_gradient_of_the_assignment_is_that_of_its_value():
    """Finite differences in float64 agree with backward for both arguments."""
    embedding = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    centers = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(student_t_assignment, (embedding, centers))


def test_the_target_is_a_constant_for_the_gradient():
    """The gradient is that of the divergence with the target put in as numbers."""
    assignment = draw_assignment(dtype=torch.float64).requires_grad_()
    target = target_distribution(assignment).detach()
    formula = (target * (target / assignment).log()).sum(dim=1).mean()
    (expected,) = torch.autograd.grad(formula, assignment)
    (gradient,) = torch.autograd.grad(DECLoss()(assignment), assignment)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "assignment",
    [
        torch.ones(6, 1),
        torch.tensor([[0.2, 0.3, 0.5]]),
        torch.eye(3)[[0, 0, 1]],
        torch.full((5, 4), 1 / 4),
    ],
    ids=["one cluster", "one image", "an empty cluster", "uniform"],
)
def test_targets_of_degenerate_assignments_are_probabilities(assignment):
    """The rows of a target sum to one, whatever is empty or alone."""
    total = target_distribution(assignment).sum(dim=1)
    torch.testing.assert_close(total, torch.ones(len(assignment)))


@pytest.mark.parametrize(
    "assignment",
    [torch.ones(6, 1), torch.eye(3).repeat(2, 1), torch.full((5, 4), 0.25)],
)
def test_nothing_left_to_sharpen_scores_zero(assignment):
    """One cluster, crisp assignments and uniform ones are their own target."""
    assert DECLoss()(assignment).item() == pytest.approx(0, abs=1e-6)


def test_embeddings_on_their_center_have_finite_gradients():
    """Distance 0 has a gradient, although its root has none."""
    centers = CENTERS.clone().requires_grad_()
    embedding = CENTERS.clone().requires_grad_()
    student_t_assignment(embedding, centers)[:, 0].sum().backward()
    assert embedding.grad.isfinite().all()
    assert centers.grad.isfinite().all()


def test_far_embeddings_stay_probabilities():
    """Distances in the millions leave rows that sum to one."""
    assignment = student_t_assignment(EMBEDDING * 1e6, CENTERS, alpha=10.0)
    torch.testing.assert_close(assignment.sum(dim=1), torch.ones(4))


def test_autocast_assigns_in_float32():
    """Autocast and bfloat16 input give float32 results close to the exact ones."""
    embedding, centers = torch.randn(16, 8), torch.randn(4, 8)
    exact = student_t_assignment(embedding, centers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assignment = student_t_assignment(embedding, centers)
        rounded = student_t_assignment(embedding.bfloat16(), centers.bfloat16())
    assert assignment.dtype == rounded.dtype == torch.float32
    torch.testing.assert_close(assignment, exact)
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)


def test_anchor_equals_the_loop_over_images_and_clusters():
    """The loss is the mean divergence of both views, written as a loop."""
    anchor, *views = torch.randn(3, 9, 4).softmax(dim=2).tolist()
    expected = 0.0
    for view in views:
        for of_image, of_view in zip(anchor, view, strict=True):
            for target, probability in zip(of_image, of_view, strict=True):
                expected += target * math.log(target / probability) / len(anchor)
    value = AnchorConsistencyLoss()(*map(torch.tensor, (anchor, *views)))
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_views_that_agree_with_the_image_score_zero():
    """Where all three are the same there is nothing to learn."""
    anchor = draw_assignment().requires_grad_()
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
