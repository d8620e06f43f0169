"""Known values of the losses, and where descent leads."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    ClusterContrastiveLoss,
    DECLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    QueueContrastiveLoss,
    SelfLabelLoss,
    balance_loss,
    consistency_loss,
    paired_contrast,
    student_t_assignment,
    target_distribution,
)

UNSURE = torch.full((5, 3), 1 / 3)


def crisp(n_clusters):
    """Put three images into each cluster."""
    return torch.eye(n_clusters).repeat(3, 1)


@pytest.mark.parametrize("n_clusters", [4, 10, 21])
def test_known_assignments(n_clusters):
    """Uniform and crisp balanced assignments end the range, a collapse is between."""
    uniform = torch.full((6, n_clusters), 1 / n_clusters)
    collapsed = torch.eye(n_clusters)[[3] * 8]
    n_others = 2 * n_clusters - 2
    most, least = math.log(n_others + 1), math.log(1 + n_others / math.e)
    # The empty clusters of a collapse have cosine 0 with all others.
    between = (least + (n_clusters - 1) * most) / n_clusters
    information = MutualInformationLoss(1.0)
    for assignment, contrast, balance, told in (
        (uniform, most, 0, 0),
        (crisp(n_clusters), least, 0, math.log(n_clusters)),
        (collapsed, between, 2 * math.log(n_clusters), 0),
    ):
        value = ClusterContrastiveLoss()(assignment, assignment)
        assert value.item() == pytest.approx(contrast, abs=1e-5)
        value = balance_loss(assignment, assignment)
        assert value.item() == pytest.approx(balance, abs=1e-5)
        value = information(assignment, assignment)
        assert value.item() == pytest.approx(-told, abs=1e-5)


@pytest.mark.parametrize(
    "loss", [ClusterContrastiveLoss(), balance_loss, MutualInformationLoss()]
)
def test_loss_of_several_heads_is_their_mean(loss):
    views = torch.randn(2, 3, 6, 4).softmax(dim=-1)
    each = [loss(*pair) for pair in views.unbind(dim=1)]
    torch.testing.assert_close(loss(*views), torch.stack(each).mean())


def test_length_of_the_projections_does_not_count():
    """Scaling rows by any positive factors keeps the loss."""
    first, second = torch.randn(2, 6, 5)
    loss = InstanceContrastiveLoss()
    torch.testing.assert_close(
        loss(first * torch.rand(6, 1).add(0.1), second * 100), loss(first, second)
    )


def queue_of(n_keys, temperature=0.2):
    """Make a loss whose queue holds some keys."""
    keys = normalize(torch.randn(n_keys, 5), dim=1)
    return lambda query, key: QueueContrastiveLoss(temperature)(query, key, keys)


@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        (lambda *rows: paired_contrast(*rows, 0.5), torch.eye(5)[:2].reshape(2, 1, 5)),
        (queue_of(0), torch.eye(5)[:2].reshape(2, 1, 5)),
        (SelfLabelLoss(), torch.stack([UNSURE.softmax(dim=1), UNSURE])),
    ],
    ids=["a single pair", "an empty queue", "no image is sure"],
)
def test_nothing_to_learn_scores_zero_with_a_gradient_of_zero(loss, parts):
    """Such a batch can be stepped on, and moves nothing."""
    first = parts[0].clone().requires_grad_()
    value = loss(first, parts[1])
    value.backward()
    assert value.item() == 0
    assert first.grad.abs().max() == 0


@pytest.mark.parametrize(
    "assignment", [torch.ones(6, 1), crisp(3), torch.full((5, 4), 0.25)]
)
def test_agreement_that_is_complete_scores_zero(assignment):
    """What is its own target has nothing to sharpen, and views that agree nothing."""
    assert DECLoss()(assignment).item() == pytest.approx(0, abs=1e-6)
    value = AnchorConsistencyLoss()(assignment, assignment, assignment)
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_small_temperatures_do_not_overflow():
    """Similarities in the hundreds of thousands give a finite value and gradient."""
    query, key = normalize(torch.randn(2, 6, 5), dim=2)
    value = queue_of(7, temperature=1e-6)(query.requires_grad_(), key)
    value.backward()
    assert math.isfinite(value.item())
    assert query.grad.isfinite().all()


def test_balance_asks_for_images_in_an_empty_cluster():
    """Descent raises an empty cluster more than any cluster in use."""
    assignment = torch.eye(3)[[0, 0, 1]].requires_grad_()
    balance_loss(assignment, assignment).backward()
    empty, in_use = assignment.grad[:, 2], assignment.grad[:, :2]
    assert (empty < in_use.min()).all()


@pytest.mark.parametrize(
    "loss", [consistency_loss, lambda a, b: AnchorConsistencyLoss()(a.detach(), b, b)]
)
def test_what_is_ruled_out_is_still_pulled(loss):
    """A probability of 0 has the gradient that raises it most."""
    first, second = (torch.eye(2)[[row]].requires_grad_() for row in (0, 1))
    loss(first, second).backward()
    assert second.grad[0, 0] < second.grad[0, 1]
    assert first.grad is None or first.grad[0, 1] < first.grad[0, 0]


def test_positives_of_other_images_tell_less():
    """Crisp assignments that agree score lower than the same ones shuffled."""
    loss, assignment = MutualInformationLoss(), crisp(4)
    other = assignment.roll(1, dims=0)
    assert loss(assignment, assignment) < loss(assignment, other) - 1


def test_information_has_the_gradient_of_its_value_where_the_mean_stays_put():
    """Finite differences in float64 agree with backward."""
    first, second = torch.randn(2, 5, 3, dtype=torch.float64).softmax(dim=2)
    step = torch.zeros_like(first, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda step: MutualInformationLoss()(first + step, second - step), step
    )


def test_empty_cluster_changes_nothing_for_the_others():
    """A cluster without mass adds next to nothing to what the others tell."""
    full = torch.randn(64, 9).softmax(dim=1)
    empty = torch.cat([full, torch.zeros(64, 1)], dim=1)
    loss = MutualInformationLoss()
    difference = loss(empty, empty) - loss(full, full)
    assert abs(difference.item()) < 0.05


def test_target_weighs_large_clusters_down():
    """An undecided image is sent to the smaller cluster."""
    undecided, large = [0.5, 0.5], [0.9, 0.1]
    target = target_distribution(torch.tensor([undecided, large, large]))
    assert target[0, 1] > 0.7


@pytest.mark.parametrize(
    "assignment",
    [torch.ones(6, 1), UNSURE[:1], torch.eye(3)[[0, 0, 1]], UNSURE],
    ids=["one cluster", "one image", "an empty cluster", "uniform"],
)
def test_targets_of_degenerate_assignments_are_probabilities(assignment):
    """The rows of a target sum to one, whatever is empty or alone."""
    total = target_distribution(assignment).sum(dim=1)
    torch.testing.assert_close(total, torch.ones(len(assignment)))


def test_clusters_of_any_size_have_one_vote():
    """A hundred more images of a cluster that is learned alike change nothing."""
    strong, sure = torch.randn(2, 2).softmax(dim=1), torch.eye(2)
    more = [0] * 100 + [1]
    torch.testing.assert_close(
        SelfLabelLoss()(strong[more], sure[more]), SelfLabelLoss()(strong, sure)
    )


def test_assignments_follow_their_centers():
    """Moving all changes nothing, and centers may come in any order."""
    embedding, centers = torch.randn(5, 3), torch.randn(4, 3)
    assignment = student_t_assignment(embedding, centers)
    order = torch.randperm(4)
    moved = student_t_assignment(embedding + 2, centers[order] + 2)
    torch.testing.assert_close(moved, assignment[:, order])
    far = student_t_assignment(embedding * 1e6, centers, alpha=10.0)
    torch.testing.assert_close(far.sum(dim=1), torch.ones(5))


def test_gradient_of_the_assignment_is_that_of_its_value():
    """Finite differences in float64 agree; distance 0 has a gradient, if no root."""
    embedding, centers = (
        torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 2)
    )
    assert torch.autograd.gradcheck(student_t_assignment, (embedding, centers))
    student_t_assignment(centers, centers)[:, 0].sum().backward()
    assert centers.grad.isfinite().all()


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
