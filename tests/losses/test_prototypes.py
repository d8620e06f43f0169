"""Codes, their consensus and information are the sums in their equations."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import ConsensusLoss, PrototypeInformationLoss, sinkhorn


def near(value):
    return pytest.approx(value, rel=1e-5, abs=1e-7)


def scale_in_turns(scores, temperature, n_iterations):
    """Scale columns, then rows, of plain numbers."""
    rows = [[math.exp(score / temperature) for score in row] for row in scores]
    for _ in range(n_iterations):
        sums = [sum(column) for column in zip(*rows, strict=True)]
        rows = [[q / s for q, s in zip(row, sums, strict=True)] for row in rows]
        rows = [[q / sum(row) for q in row] for row in rows]
    return rows


def cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize("n_iterations", [1, 3])
def test_sinkhorn_scales_columns_and_rows_in_turns(n_iterations):
    scores = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    expected = scale_in_turns(scores.tolist(), 0.2, n_iterations)
    codes = sinkhorn(scores, 0.2, n_iterations)
    torch.testing.assert_close(codes, torch.tensor(expected, dtype=torch.float64))
    assert not codes.requires_grad


def test_sinkhorn_gives_prototypes_equal_shares_of_what_is_alike():
    """Images that all prefer one prototype are spread over both; nothing overflows."""
    scores = torch.stack([torch.linspace(0.5, 1, 8), torch.full((8,), -1.0)], dim=1)
    codes = sinkhorn(scores, 0.05, 50)
    torch.testing.assert_close(codes.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(
        codes.sum(dim=0), torch.full((2,), 4.0), atol=0.2, rtol=0
    )
    assert sinkhorn(scores, 1e-3).isfinite().all()


def test_consensus():
    """The mean over projections, views, images of the cross-entropy of codes."""
    views = torch.randn(2, 5, 6, dtype=torch.float64)
    prototypes = torch.randn(3, 6, dtype=torch.float64)
    loss = ConsensusLoss(6, n_projections=4, projection_dim=2)
    codes = [
        scale_in_turns([[cosine(v, c) for c in prototypes] for v in view], 0.05, 3)
        for view in views
    ]
    expected = 0.0
    for matrix in loss.projections.double():
        for side, view in enumerate(views):
            for row, code in zip(view, codes[1 - side], strict=True):
                logits = [cosine(row @ matrix, c @ matrix) / 0.1 for c in prototypes]
                total = math.log(sum(map(math.exp, logits)))
                for q, logit in zip(code, logits, strict=True):
                    expected -= q * (logit - total) / (4 * 2 * 5)
    assert loss(*views, prototypes).item() == near(expected)


def test_the_consensus_moves_views_and_prototypes_through_predictions_only():
    """Codes are constants: the gradient is that of predictions of fixed codes."""
    views = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    prototypes = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    loss = ConsensusLoss(6, n_projections=4, projection_dim=2)
    with torch.no_grad():
        codes = [sinkhorn(normalize(v) @ normalize(prototypes).T) for v in views]
    total = 0.0
    for matrix in loss.projections.double():
        for side in (0, 1):
            cosines = normalize(views[side] @ matrix) @ normalize(prototypes @ matrix).T
            predicted = (cosines / 0.1).log_softmax(dim=1)
            total = total - (codes[1 - side] * predicted).sum() / (4 * 2 * 5)
    expected = torch.autograd.grad(total, (views, prototypes))
    value = torch.autograd.grad(loss(*views, prototypes), (views, prototypes))
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-9)
    assert all(gradient.abs().max() > 1e-3 for gradient in value)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_prototype_information(weight):
    """H(Y | U) minus the weighted H(Y), over plain numbers."""
    assignment = torch.randn(7, 3, dtype=torch.float64).softmax(dim=1)
    prototypes = torch.randn(7, 5, dtype=torch.float64).softmax(dim=1)
    joint = [
        [sum(p[i] * u[j] for p, u in zip(assignment, prototypes, strict=True)) / 7]
        for i in range(3)
        for j in range(5)
    ]
    joint = torch.tensor(joint).reshape(3, 5).tolist()
    of_prototypes = [sum(column) for column in zip(*joint, strict=True)]
    conditional = -sum(
        q * math.log(q / of_prototypes[j]) for row in joint for j, q in enumerate(row)
    )
    entropy = -sum(sum(row) * math.log(sum(row)) for row in joint)
    value = PrototypeInformationLoss(weight)(assignment, prototypes)
    assert value.item() == near(conditional - weight * entropy)
