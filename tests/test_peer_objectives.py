"""Which loss of the peer methods reads which output, with which weight."""

import torch
from torch.nn import functional

from sklearn_mfavb.losses import InstanceContrastiveLoss, ProbabilityContrastiveLoss
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import CRLCObjective


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
