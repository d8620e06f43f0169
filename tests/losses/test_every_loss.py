"""What holds for every loss: order, gradients, degenerate batches and precision."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    AssignmentContrastiveLoss,
    ClusterContrastiveLoss,
    CompactnessLoss,
    ConsensusLoss,
    CrossInstanceLoss,
    DECLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    NeighborContrastiveLoss,
    PointwiseInformationLoss,
    ProbabilityContrastiveLoss,
    PrototypeInformationLoss,
    QueueContrastiveLoss,
    SCANLoss,
    SelfLabelLoss,
    balance_loss,
    consistency_loss,
    paired_contrast,
    student_t_assignment,
)

QUEUE = normalize(torch.randn(7, 4, generator=torch.Generator().manual_seed(0)), dim=1)
NEAREST = torch.tensor([0, 2, 2, 1, 0, 2])


@dataclass
class Case:
    """A loss, and what it may be given."""

    loss: Callable
    n_parts: int = 2
    is_rows: bool = False  # of unit length, otherwise probabilities
    is_symmetric: bool = False
    constants: tuple[int, ...] = ()  # which parts get no gradient

    def draw(self, n_images=6, dim=4, dtype=torch.float32):
        """Draw a batch, one matrix for each part."""
        parts = torch.randn(self.n_parts, n_images, dim, dtype=dtype)
        return normalize(parts, dim=2) if self.is_rows else parts.softmax(dim=2)


def queue_for(query):
    """Return seven keys, in the precision that the loss computes in."""
    return QUEUE.to(torch.promote_types(query.dtype, torch.float32))


def compactness(query):
    """Return the loss of six queries with the centroids of a queue."""
    return CompactnessLoss()(query, queue_for(query), NEAREST.repeat(9)[: len(query)])


def pointwise(student, teacher):
    """Return the loss of pairs that weigh alike, with the teacher's sizes."""
    dtype = torch.promote_types(teacher.dtype, torch.float32)
    sizes, weights = teacher.to(dtype).mean(dim=0), torch.ones(len(student))
    return PointwiseInformationLoss()(student, teacher, sizes, weights.to(dtype))


CONSENSUS = ConsensusLoss(4, n_projections=3, projection_dim=3)


def consensus(first, second):
    """Return the loss of two views with the first rows of a queue as prototypes."""
    return CONSENSUS(first, second, queue_for(first)[:3])


CASES = {
    "paired_contrast": Case(
        partial(paired_contrast, temperature=0.5), is_rows=True, is_symmetric=True
    ),
    "instance": Case(InstanceContrastiveLoss(), is_rows=True, is_symmetric=True),
    "cluster": Case(ClusterContrastiveLoss(0.1), is_symmetric=True),
    "balance": Case(balance_loss, is_symmetric=True),
    "DEC": Case(DECLoss(), n_parts=1),
    "anchor": Case(AnchorConsistencyLoss(), n_parts=3, constants=(0,)),
    "information": Case(MutualInformationLoss(), is_symmetric=True),
    "pointwise": Case(pointwise, constants=(1,)),
    "probability": Case(ProbabilityContrastiveLoss(), is_symmetric=True),
    "cross-instance": Case(CrossInstanceLoss(), is_rows=True, is_symmetric=True),
    "neighbors": Case(NeighborContrastiveLoss(), n_parts=3, is_rows=True),
    "assignment": Case(AssignmentContrastiveLoss()),
    "consensus": Case(consensus, is_rows=True, is_symmetric=True),
    "prototypes": Case(PrototypeInformationLoss()),
    "queue": Case(
        lambda query, key: QueueContrastiveLoss()(query, key, queue_for(query)),
        is_rows=True,
        constants=(1,),
    ),
    "compactness": Case(compactness, n_parts=1, is_rows=True),
    "consistency": Case(consistency_loss, is_symmetric=True),
    "SCAN": Case(SCANLoss()),
    "self-labels": Case(SelfLabelLoss(threshold=0.3), constants=(1,)),
}
every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_loss
def test_names_and_order_do_not_count(case):
    """Reordering images, and renaming clusters, keeps the loss."""
    parts = case.draw()
    value = case.loss(*parts)
    assert value.shape == ()
    if case.loss is not compactness:  # its centroids are in the order of the images
        shuffled = parts[:, torch.randperm(6)]
        torch.testing.assert_close(case.loss(*shuffled), value)
    if not case.is_rows:
        renamed = parts[:, :, torch.randperm(4)]
        torch.testing.assert_close(case.loss(*renamed), value)
    if case.is_symmetric:
        torch.testing.assert_close(case.loss(*parts.flip(0)), value)


# The gradients of the three others, where a share of the batch or a code is a constant,
# are compared with their formula elsewhere.
@pytest.mark.parametrize(
    "name", sorted(CASES.keys() - {"DEC", "information", "consensus"})
)
def test_gradient_is_that_of_the_value(name):
    """Finite differences in float64 agree with backward; constants have none."""
    case = CASES[name]
    parts = [part.requires_grad_() for part in case.draw(dtype=torch.float64)]
    gradients = torch.autograd.grad(case.loss(*parts), parts, allow_unused=True)
    is_constant = [index in case.constants for index in range(case.n_parts)]
    assert [gradient is None for gradient in gradients] == is_constant
    for index in case.constants:
        parts[index] = parts[index].detach()
    assert torch.autograd.gradcheck(case.loss, parts)


DEGENERATE = {
    "one image": torch.full((3, 1, 4), 1 / 4),
    "one cluster": torch.ones(3, 6, 1),
    "identical images": torch.tensor([[0.2, 0.3, 0.4, 0.1]]).expand(3, 6, 4),
    "an empty cluster": torch.eye(4)[[0, 0, 1, 3]].expand(3, 4, 4),
    "opposite": torch.stack([torch.eye(4), torch.eye(4).roll(1, 0), torch.eye(4)]),
    "zeros": torch.zeros(3, 3, 4),  # rows only, they are no probabilities
}


@pytest.mark.parametrize(
    ("name", "batch"),
    [(n, b) for n in CASES for b in DEGENERATE if b != "zeros" or CASES[n].is_rows],
)
def test_degenerate_batches_stay_finite(name, batch):
    """Values and gradients are finite where there is little or nothing to compare."""
    case, batch = CASES[name], DEGENERATE[batch]
    if name in ("compactness", "queue", "consensus"):
        batch = batch.expand(-1, -1, 4)  # the dimension of the queue
    parts = batch[: case.n_parts].clone().requires_grad_()
    value = case.loss(*parts)
    (gradient,) = torch.autograd.grad(value, parts)
    assert math.isfinite(value.item())
    assert gradient.isfinite().all()


@every_loss
def test_half_precision_and_autocast_score_in_float32(case):
    """Rounded input is the only difference that bfloat16 makes."""
    parts = case.draw(32).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = case.loss(*parts)
        under_autocast = case.loss(*parts.float())
    assert value.dtype == under_autocast.dtype == torch.float32
    exact = case.loss(*parts.float())
    torch.testing.assert_close(value, exact)
    torch.testing.assert_close(under_autocast, exact)


@every_loss
def test_the_default_type_of_torch_does_not_count(case):
    """Float32 in gives the same float32, whatever tensors are by default."""
    parts = case.draw()
    expected = case.loss(*parts)
    torch.set_default_dtype(torch.float64)
    try:
        value = case.loss(*parts)
    finally:
        torch.set_default_dtype(torch.float32)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)


def assign(alpha):
    """Assign points to centers, which are themselves."""
    return student_t_assignment(torch.eye(2), torch.eye(2), alpha)


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (InstanceContrastiveLoss, (0.0, -1.0), "temperature must be greater than 0"),
        (ClusterContrastiveLoss, (0.0, -1.0), "temperature must be greater than 0"),
        (QueueContrastiveLoss, (0.0, -1.0), "temperature must be greater than 0"),
        (SCANLoss, (-1.0, math.inf), "entropy_weight must be finite and at least 0"),
        (SelfLabelLoss, (-0.1, 1.0), "threshold must be at least 0 and below 1"),
        (assign, (0.0, -1.0), "alpha must be greater than 0"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, values, message):
    """What cannot divide, asks for collapse or keeps nothing is refused; NaN too."""
    for value in (*values, math.nan):
        with pytest.raises(ValueError, match=message):
            make(value)
