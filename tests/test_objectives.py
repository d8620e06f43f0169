"""Which loss reads which output, with which weight."""

import torch

from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    balance_loss,
)
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import ContrastiveObjective


def draw_output():
    """Draw a random output of 6 images, 3 heads and 4 clusters."""
    return ViewOutput(
        torch.randn(6, 8),
        torch.nn.functional.normalize(torch.randn(6, 5), dim=1),
        torch.randn(6, 3, 4).softmax(dim=2),
    )


def test_terms_are_weighted_means_over_couples():
    """Each term is its loss, averaged over couples and heads, times its weight."""
    couples = [(draw_output(), draw_output()), (draw_output(), draw_output())]
    terms = ContrastiveObjective(
        instance_temperature=0.2,
        cluster_temperature=0.7,
        instance_weight=2.0,
        cluster_weight=3.0,
        balance_weight=0.5,
        information_weight=0.25,
    )(couples)
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
