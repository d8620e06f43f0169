"""Which loss reads which output, with which weight."""

import torch

from sklearn_mfavb.losses import (
    ClusterContrastiveLoss,
    InstanceContrastiveLoss,
    balance_loss,
)
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import ContrastiveObjective


def draw_output():
    """Draw a random output of 6 images and 4 clusters."""
    return ViewOutput(
        torch.randn(6, 8),
        torch.nn.functional.normalize(torch.randn(6, 5), dim=1),
        torch.randn(6, 4).softmax(dim=1),
    )


def test_terms_are_weighted_means_over_couples():
    """Each term is its loss, averaged over the couples, times its weight."""
    couples = [(draw_output(), draw_output()), (draw_output(), draw_output())]
    terms = ContrastiveObjective(
        instance_temperature=0.2,
        cluster_temperature=0.7,
        instance_weight=2.0,
        cluster_weight=3.0,
        balance_weight=0.5,
    )(couples)
    instance, cluster = InstanceContrastiveLoss(0.2), ClusterContrastiveLoss(0.7)
    expected = {
        "instance_loss": sum(instance(a.projection, b.projection) for a, b in couples),
        "cluster_loss": 1.5
        * sum(cluster(a.assignment, b.assignment) for a, b in couples),
        "balance_loss": 0.25
        * sum(balance_loss(a.assignment, b.assignment) for a, b in couples),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
