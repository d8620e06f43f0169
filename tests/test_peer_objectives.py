"""Which loss of the peer methods reads which output, with which weight."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sklearn_mfavb.losses import (
    AssignmentContrastiveLoss,
    CrossInstanceLoss,
    InstanceContrastiveLoss,
    NeighborContrastiveLoss,
    PointwiseInformationLoss,
    ProbabilityContrastiveLoss,
    PrototypeInformationLoss,
    sinkhorn,
)
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import (
    ConCURLObjective,
    CRLCObjective,
    CrossInstanceObjective,
    GCCObjective,
    IMCSwAVObjective,
    TEMIObjective,
)


def draw_output(n_heads=1, n_images=6):
    return ViewOutput(
        torch.randn(n_images, 8).requires_grad_(),
        functional.normalize(torch.randn(n_images, 5), dim=1).requires_grad_(),
        torch.randn(n_images, n_heads, 4).softmax(dim=2).requires_grad_(),
    )


def assert_terms(terms, expected):
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, rtol=1e-5, atol=1e-6)


def entropy(share):
    return -(share * share.log()).sum()


def test_crlc_is_the_mean_over_heads_and_views():
    first, second = draw_output(3), draw_output(3)
    objective = CRLCObjective(temperature=0.2, instance_weight=3.0, entropy_weight=0.5)
    terms = objective([(first, second)])
    contrast = InstanceContrastiveLoss(0.2)(first.projection, second.projection)
    rows, sizes = 0.0, 0.0
    for head in range(3):
        a, b = first.assignment[:, head], second.assignment[:, head]
        rows += ProbabilityContrastiveLoss(0.01)(a, b) / 3
        sizes += (entropy(a.mean(dim=0)) + entropy(b.mean(dim=0))) / 6
    expected = {"instance_loss": 3.0 * contrast, "probability_loss": rows}
    assert_terms(terms, {**expected, "entropy_loss": -0.5 * sizes})
    sum(terms.values()).backward()
    for output in (first, second):
        for part in (output.projection, output.assignment):
            assert (part.grad != 0).any(dim=-1).all()


def test_imcswav_predicts_codes_of_the_two_large_views():
    """Every other view predicts them; clusters tell of the prototypes of others."""
    views = tuple(draw_output() for _ in range(4))
    objective = IMCSwAVObjective(5, n_prototypes=3, temperature=0.2, entropy_weight=3.0)
    terms = objective([views])
    prototypes = functional.normalize(objective.prototypes, dim=1)
    cosines = [view.projection @ prototypes.T for view in views]
    codes = [sinkhorn(each) for each in cosines]
    seen = [(each / 0.2).softmax(dim=1) for each in cosines]
    prediction, information = [], []
    for own in range(4):
        for other in set(range(4)) - {own}:
            loss = PrototypeInformationLoss(3.0)
            information.append(loss(views[own].assignment[:, 0], seen[other]))
            if own < 2:
                surprise = -(cosines[other] / 0.2).log_softmax(dim=1)
                prediction.append((codes[own] * surprise).sum(dim=1).mean())
    expected = {
        "code_loss": sum(prediction) / 6,
        "information_loss": sum(information) / 12,
        "logit_loss": torch.tensor(0.0),
    }
    assert_terms(terms, expected)


def test_clusters_of_imcswav_do_not_move_projections():
    """Information moves assignments alone, codes projections and prototypes."""
    first, second = draw_output(), draw_output()
    objective = IMCSwAVObjective(5, n_prototypes=3, temperature=0.2, entropy_weight=3.0)
    terms = objective([(first, second)])
    parts = (first.projection, objective.prototypes, first.assignment)
    moved = [
        [g is not None and bool(g.abs().max() > 0) for g in gradients]
        for gradients in (
            torch.autograd.grad(term, parts, retain_graph=True, allow_unused=True)
            for term in (terms["information_loss"], terms["code_loss"])
        )
    ]
    assert moved == [[False, False, True], [True, True, False]]


def test_logits_beyond_five_are_pulled_back():
    """Centered logits of (12, 0, 0) are 8 and -4: one is 3 beyond."""
    logits = torch.tensor([[12.0, 0.0, 0.0]]).repeat(6, 1).requires_grad_()
    output = draw_output()._replace(assignment=logits.softmax(dim=1)[:, None])
    objective = IMCSwAVObjective(5, n_prototypes=3, temperature=0.2, entropy_weight=3.0)
    loss = objective([(output, output)])["logit_loss"]
    assert loss.item() == pytest.approx(0.03, rel=1e-4)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[:, 0] > 0).all()


def test_concurl_weighs_contrast_and_consensus():
    """Its prototypes and its projector learn, by the consensus."""
    first, second = draw_output(), draw_output()
    objective = ConCURLObjective(
        nn.Linear(8, 7),
        7,
        n_prototypes=3,
        n_projections=4,
        projection_dim=2,
        temperature=0.2,
        instance_weight=2.0,
        consensus_weight=0.5,
    )
    terms = objective([(first, second)])
    contrast = InstanceContrastiveLoss(0.2)(first.projection, second.projection)
    seen = objective.projector(first.embedding), objective.projector(second.embedding)
    consensus = objective.consensus(*seen, objective.prototypes)
    assert_terms(
        terms, {"instance_loss": 2.0 * contrast, "consensus_loss": 0.5 * consensus}
    )
    terms["consensus_loss"].backward()
    learned = (objective.prototypes, objective.projector.weight, first.embedding)
    assert all(part.grad.abs().max() > 0 for part in learned)
    assert first.projection.grad is None


def test_gcc_follows_the_neighbor():
    """Balance counts the first view alone; the second has no part in clusters."""
    first, second, neighbor = outputs = tuple(draw_output() for _ in range(3))
    objective = GCCObjective(temperature=0.2, instance_weight=3.0, entropy_weight=0.5)
    terms = objective([outputs])
    of_first, of_neighbor = first.assignment[:, 0], neighbor.assignment[:, 0]
    graph = NeighborContrastiveLoss(0.2)(*(output.projection for output in outputs))
    expected = {
        "graph_loss": 3.0 * graph,
        "cluster_loss": AssignmentContrastiveLoss()(of_first, of_neighbor),
        "entropy_loss": -0.5 * entropy(of_first.mean(dim=0)),
    }
    assert_terms(terms, expected)
    sum(terms.values()).backward()
    assert second.assignment.grad is None
    parts = [output.projection for output in outputs]
    assert all((part.grad != 0).all() for part in [*parts, neighbor.assignment])


def test_c3_is_its_loss_of_projections():
    first, second = draw_output(), draw_output()
    terms = CrossInstanceObjective(0.3)([(first, second)])
    loss = CrossInstanceLoss(0.3)(first.projection, second.projection)
    assert_terms(terms, {"cross_instance_loss": loss})
    terms["cross_instance_loss"].backward()
    assert first.assignment.grad is None


class Softmax(nn.ModuleList):
    """Heads that read an embedding of as many columns as there are clusters."""

    def forward(self, embedding):
        return torch.stack([head(embedding).softmax(dim=1) for head in self], dim=1)


def test_temi_weighs_pairs_by_what_all_teachers_see():
    """Either image of a pair learns from the teacher of the other."""
    first, second = draw_output(3), draw_output(3)
    students = Softmax(nn.Linear(8, 4) for _ in range(3))
    objective = TEMIObjective(students, 4, 0.7)
    terms = objective([(first, second)])
    of_first, of_second = first.assignment.detach(), second.assignment.detach()
    seen = torch.cat([of_first, of_second]).mean(dim=0)
    sizes = 0.9 / 4 + 0.1 * seen
    expected, loss = 0.0, PointwiseInformationLoss(0.7)
    weights = (of_first * of_second).sum(dim=2).mean(dim=1)
    for embedding, teacher in (
        (first.embedding, of_second),
        (second.embedding, of_first),
    ):
        for head in range(3):
            learned = students[head](embedding).softmax(dim=1)
            expected += loss(learned, teacher[:, head], sizes[head], weights) / 6
    assert_terms(terms, {"pointwise_loss": expected})
    torch.testing.assert_close(objective.sizes, sizes)
    terms["pointwise_loss"].backward()
    assert first.assignment.grad is None
    assert all(head.weight.grad.abs().max() > 0 for head in students)
