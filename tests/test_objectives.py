"""Which loss reads which output, with which weight."""

import pytest
import torch
from torch.nn import functional

from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    DECLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    balance_loss,
)
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import (
    AnchorObjective,
    ContrastiveObjective,
    ContrastiveTerms,
    InstanceObjective,
    SCANObjective,
    SelfLabelObjective,
)


def draw_output(n_heads=3, sharpness=1.0):
    return ViewOutput(
        torch.randn(6, 8),
        functional.normalize(torch.randn(6, 5), dim=1).requires_grad_(),
        (sharpness * torch.randn(6, n_heads, 4)).softmax(dim=2).requires_grad_(),
    )


def test_terms_are_weighted_means_over_couples():
    couples = [(draw_output(), draw_output()), (draw_output(), draw_output())]
    weights = ContrastiveTerms(
        instance_temperature=0.2,
        cluster_temperature=0.7,
        instance_weight=2.0,
        cluster_weight=3.0,
        information_weight=0.25,
    )
    terms = ContrastiveObjective(weights, balance_weight=0.5)(couples)
    per_head = [
        (a.assignment[:, head], b.assignment[:, head])
        for a, b in couples
        for head in range(3)
    ]
    instance, cluster = InstanceContrastiveLoss(0.2), ClusterContrastiveLoss(0.7)
    information = MutualInformationLoss()
    expected = {
        "instance_loss": sum(instance(a.projection, b.projection) for a, b in couples),
        "cluster_loss": 3.0 / 6 * sum(cluster(a, b) for a, b in per_head),
        "balance_loss": 0.5 / 6 * sum(balance_loss(a, b) for a, b in per_head),
        "information_loss": 0.25 / 6 * sum(information(a, b) for a, b in per_head),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)


def test_information_is_left_out_unless_it_has_a_weight():
    couples = [(draw_output(), draw_output())]
    terms = ContrastiveObjective(ContrastiveTerms(), balance_weight=1.0)(couples)
    assert terms.keys() == {"instance_loss", "cluster_loss", "balance_loss"}


def test_instance_objective_is_the_contrast_of_two_views():
    first, second = draw_output(), draw_output()
    terms = InstanceObjective(0.2)([(first, second)])
    rows = torch.cat([first.projection, second.projection])
    total = 0.0
    for i in range(12):
        similarity = rows @ rows[i] / 0.2
        others = torch.cat([similarity[:i], similarity[i + 1 :]])
        total += others.logsumexp(dim=0) - similarity[(i + 6) % 12]
    assert terms.keys() == {"instance_loss"}
    torch.testing.assert_close(terms["instance_loss"], total / 12)


def test_scan_objective_equals_the_loop_over_heads():
    """Minus log of the inner product, and minus the weighted entropy of the mean."""
    anchor, neighbor = draw_output(), draw_output()
    terms = SCANObjective(entropy_weight=2.0)([(anchor, neighbor)])
    consistency, entropy = 0.0, 0.0
    for head in range(3):
        for image in range(6):
            agreement = torch.dot(
                anchor.assignment[image, head], neighbor.assignment[image, head]
            )
            consistency -= agreement.log() / (6 * 3)
        share = anchor.assignment[:, head].mean(dim=0)
        entropy -= (share * share.log()).sum() / 3
    assert terms.keys() == {"consistency_loss", "entropy_loss"}
    torch.testing.assert_close(terms["consistency_loss"], consistency)
    torch.testing.assert_close(terms["entropy_loss"], -2.0 * entropy)


def test_self_label_objective_equals_the_loop_over_heads():
    """Sure clean images label their views; every cluster has one vote in a head."""
    strong, clean = draw_output(), draw_output(sharpness=3.0)
    terms = SelfLabelObjective(threshold=0.6)([(strong, clean)])
    total, n_sure = 0.0, 0
    for head in range(3):
        confidence, label = clean.assignment[:, head].max(dim=1)
        by_cluster = {}
        for image in range(6):
            if confidence[image] > 0.6:
                surprise = -strong.assignment[image, head, label[image]].log()
                by_cluster.setdefault(int(label[image]), []).append(surprise)
                n_sure += 1
        means = [sum(values) / len(values) for values in by_cluster.values()]
        total += sum(means) / len(means) / 3
    assert 0 < n_sure < 18
    assert terms.keys() == {"self_label_loss"}
    torch.testing.assert_close(terms["self_label_loss"], total)
    terms["self_label_loss"].backward()
    assert clean.assignment.grad is None
    assert strong.assignment.grad.abs().max() > 0


def make_anchor_objective(**weights):
    zeros = dict.fromkeys(("instance_weight", "dec_weight", "anchor_weight"), 0.0)
    return AnchorObjective(instance_temperature=0.2, **{**zeros, **weights})


def test_anchor_objective_weighs_three_losses():
    """Contrast of the views, DEC of the clean image, divergence of views from it."""
    first, second, clean = (draw_output(n_heads=1) for _ in range(3))
    terms = make_anchor_objective(
        instance_weight=2.0, dec_weight=3.0, anchor_weight=0.5
    )([(first, second, clean)])
    target = clean.assignment[:, 0].detach()
    divergence = sum(
        target[i, k] * (target[i, k] / view.assignment[i, 0, k]).log()
        for view in (first, second)
        for i in range(6)
        for k in range(4)
    )
    contrast = InstanceContrastiveLoss(0.2)(first.projection, second.projection)
    expected = {
        "instance_loss": 2.0 * contrast,
        "dec_loss": 3.0 * DECLoss()(clean.assignment[:, 0]),
        "anchor_loss": 0.5 * divergence / 6,
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)


@pytest.mark.parametrize(
    ("weight", "moves_clean", "moves_views"),
    [("anchor_weight", False, True), ("dec_weight", True, False)],
)
def test_views_follow_the_clean_image_and_not_the_other_way_round(
    weight, moves_clean, moves_views
):
    """The clean image is the views' constant target; DEC alone moves it."""
    outputs = tuple(draw_output(n_heads=1) for _ in range(3))
    terms = make_anchor_objective(**{weight: 1.0})([outputs])
    sum(terms.values()).backward()
    moved = [bool(output.assignment.grad.abs().max() > 0) for output in outputs]
    assert moved == [moves_views, moves_views, moves_clean]
