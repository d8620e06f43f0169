"""Every loss is the sum in its equation, written as a loop over plain numbers."""

import math
from itertools import chain

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import (
    AnchorConsistencyLoss,
    ClusterContrastiveLoss,
    CompactnessLoss,
    DECLoss,
    InstanceContrastiveLoss,
    MutualInformationLoss,
    QueueContrastiveLoss,
    SCANLoss,
    SelfLabelLoss,
    balance_loss,
    paired_contrast,
    student_t_assignment,
    target_distribution,
)


def probabilities(n_parts, n_images=9, n_clusters=4, dtype=torch.float32):
    """Draw the assignments of several views."""
    return torch.randn(n_parts, n_images, n_clusters, dtype=dtype).softmax(dim=2)


def unit_rows(*shape):
    """Draw rows of unit length."""
    return normalize(torch.randn(*shape), dim=-1)


def surprise(scores, own):
    """Return minus the logarithm of the share of one's own score among all."""
    return math.log(sum(map(math.exp, scores))) - scores[own]


def shares(*views):
    """Return the mean of all rows, by column."""
    rows = list(chain(*views))
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def divergence(target, rows):
    """Return the mean over images of KL(target || row)."""
    pairs = zip(chain(*target), chain(*rows), strict=True)
    return sum(p * math.log(p / q) for p, q in pairs) / len(rows)


def near(value):
    """Allow for float32."""
    return pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("n_rows", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_contrast(n_rows, temperature):
    """Rows, or columns, find their partners; their length does not count."""
    first, second = 3 * torch.randn(2, n_rows, 5)
    rows = [row / row.norm() for row in torch.cat([first, second])]
    expected = 0.0
    for anchor, row in enumerate(rows):
        others = [other for other in range(2 * n_rows) if other != anchor]
        scores = [float(row @ rows[other]) / temperature for other in others]
        partner = (anchor + n_rows) % (2 * n_rows)
        expected += surprise(scores, others.index(partner)) / (2 * n_rows)
    unit = normalize(first), normalize(second)
    assert paired_contrast(*unit, temperature).item() == near(expected)
    loss = InstanceContrastiveLoss(temperature)
    assert loss(first, second).item() == near(expected)
    loss = ClusterContrastiveLoss(temperature)
    assert loss(first.T, second.T).item() == near(expected)


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3, 2), (3, 4)), ((3,), (3,))])
def test_shapes_that_are_no_pairs_are_named(shapes):
    """Rows without partners raise, with both shapes in the message."""
    with pytest.raises(ValueError, match=r"first and second .*\(3,"):
        paired_contrast(torch.ones(shapes[0]), torch.ones(shapes[1]), 0.5)


@pytest.mark.parametrize("queue_size", [0, 1, 7])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_queue(queue_size, temperature):
    """A query finds its key among the keys of the past."""
    (query, key), queue = unit_rows(2, 6, 5), unit_rows(queue_size, 5)
    expected = 0.0
    for own_query, own_key in zip(query, key, strict=True):
        scores = [float(own_query @ row) / temperature for row in (own_key, *queue)]
        expected += surprise(scores, 0) / len(query)
    value = QueueContrastiveLoss(temperature)(query, key, queue)
    assert value.item() == near(expected)


def test_compactness():
    """One minus the cosine to one's centroid; order and names do not count."""
    query, centroids = unit_rows(6, 5), unit_rows(3, 5)
    nearest = torch.tensor([0, 2, 2, 1, 0, 2])
    cosines = [float(q @ centroids[c]) for q, c in zip(query, nearest, strict=True)]
    loss = CompactnessLoss()
    value = loss(query, centroids, nearest)
    assert value.item() == near(1 - sum(cosines) / 6)
    images, names = torch.randperm(6), torch.tensor([2, 0, 1])
    torch.testing.assert_close(loss(query[images], centroids, nearest[images]), value)
    torch.testing.assert_close(
        loss(query, centroids[names], names.argsort()[nearest]), value
    )


def test_balance():
    """Of each view, log K minus the entropy of the mean."""
    views = probabilities(2)
    of_views = [shares(view) for view in views.tolist()]
    entropy = -sum(share * math.log(share) for share in chain(*of_views))
    assert balance_loss(*views).item() == near(2 * math.log(4) - entropy)


@pytest.mark.parametrize("exponent", [0.6, 1.0])
def test_information(exponent):
    """Equation 5 of TEMI."""
    first, second = views = probabilities(2).tolist()
    share = shares(*views)
    expected = 0.0
    for row, other in zip(first, second, strict=True):
        terms = zip(row, other, share, strict=True)
        expected -= math.log(sum((p * q) ** exponent / m for p, q, m in terms)) / 9
    value = MutualInformationLoss(exponent)(*map(torch.tensor, views))
    assert value.item() == near(expected)


def test_dec():
    """The divergence from the target."""
    rows = probabilities(1)[0].tolist()
    size = [sum(column) for column in zip(*rows, strict=True)]
    target = []
    for row in rows:
        weight = [q**2 / f for q, f in zip(row, size, strict=True)]
        target.append([each / sum(weight) for each in weight])
    assert DECLoss()(torch.tensor(rows)).item() == near(divergence(target, rows))


def test_anchor():
    """The divergences of both views from the image, and not the converse."""
    anchor, *views = probabilities(3).tolist()
    value = AnchorConsistencyLoss()(*map(torch.tensor, (anchor, *views)))
    assert value.item() == near(sum(divergence(anchor, view) for view in views))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_scan(weight):
    """Surprise minus weighted entropy, which is that of the anchors alone."""
    anchor, neighbor = views = probabilities(2).tolist()
    expected = sum(share * math.log(share) for share in shares(anchor)) * weight
    for own, other in zip(anchor, neighbor, strict=True):
        agreement = sum(p * q for p, q in zip(own, other, strict=True))
        expected -= math.log(agreement) / len(anchor)
    assert SCANLoss(weight)(*map(torch.tensor, views)).item() == near(expected)


def test_self_labels():
    """Kept images weigh n / n_c; only they get a gradient."""
    # Kept at 0.99: two images in cluster 0, one in cluster 2, none in cluster 1.
    sure = [[0.995, 0.005, 0.0], [0.0, 0.002, 0.998], [0.999, 0.001, 0.0]]
    unsure = [[0.05, 0.9, 0.05], [0.02, 0.0, 0.98]]
    strong = probabilities(1, 5, 3)[0].requires_grad_()
    weights = {(0, 0): 1 / 2, (1, 2): 1, (2, 0): 1 / 2}
    losses = [w * -math.log(strong[place].item()) for place, w in weights.items()]
    value = SelfLabelLoss()(strong, torch.tensor(sure + unsure))
    assert value.item() == near(sum(losses) / 2)
    value.backward()
    assert (strong.grad != 0).any(dim=1).tolist() == [True] * 3 + [False] * 2


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_assignment(alpha):
    """The kernel of a distance over the sum of the kernels."""
    embedding, centers = torch.randn(5, 3), torch.randn(4, 3)
    power = -(alpha + 1) / 2
    expected = []
    for row in embedding.tolist():
        distances = [math.dist(row, center) for center in centers.tolist()]
        kernels = [(1 + distance**2 / alpha) ** power for distance in distances]
        expected.append([kernel / sum(kernels) for kernel in kernels])
    torch.testing.assert_close(
        student_t_assignment(embedding, centers, alpha), torch.tensor(expected)
    )


def test_what_is_a_constant_gets_no_gradient():
    """Targets of DEC and the mean of TEMI are as if put in as numbers."""
    first, second = probabilities(2, dtype=torch.float64)
    first.requires_grad_()
    target = target_distribution(first).detach()
    share = torch.cat([first, second]).mean(dim=0).detach()
    for value, formula in [
        (DECLoss()(first), (target * (target / first).log()).sum(dim=1).mean()),
        (
            MutualInformationLoss()(first, second),
            -((first * second) ** 0.6 / share).sum(dim=1).log().mean(),
        ),
    ]:
        (gradient,) = torch.autograd.grad(value, first)
        (expected,) = torch.autograd.grad(formula, first)
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=0)
