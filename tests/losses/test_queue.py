"""Tests of the contrast with a queue of keys and of compactness."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sklearn_mfavb.losses import CompactnessLoss, QueueContrastiveLoss


def unit_rows(*shape, dtype=torch.float32):
    """Draw rows of unit length."""
    return normalize(torch.randn(*shape, dtype=dtype), dim=-1)


@pytest.mark.parametrize("queue_size", [0, 1, 7])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_equals_the_loop_over_queries(queue_size, temperature):
    """The loss is that of finding one's key among the queue, as a loop."""
    query, key = unit_rows(2, 6, 5)
    queue = unit_rows(queue_size, 5)
    expected = 0.0
    for own_query, own_key in zip(query, key, strict=True):
        candidates = [own_key, *queue]
        scores = [float(own_query @ row) / temperature for row in candidates]
        expected += (math.log(sum(map(math.exp, scores))) - scores[0]) / len(query)
    value = QueueContrastiveLoss(temperature)(query, key, queue)
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_order_of_the_queue_does_not_count():
    """Reordering the queue keeps the loss."""
    pair, queue = unit_rows(2, 6, 5), unit_rows(7, 5)
    value = QueueContrastiveLoss()(*pair, queue)
    shuffled = queue[torch.randperm(7)]
    torch.testing.assert_close(QueueContrastiveLoss()(*pair, shuffled), value)


def test_an_empty_queue_scores_zero_with_zero_gradient():
    """With no negatives there is nothing to learn, and nothing breaks."""
    query, key = unit_rows(2, 6, 5)
    value = QueueContrastiveLoss()(query.requires_grad_(), key, torch.empty(0, 5))
    value.backward()
    assert value.item() == 0
    assert query.grad.abs().max() == 0


def test_small_temperatures_do_not_overflow():
    """Similarities in the hundreds of thousands give a finite value and gradient."""
    query, key = unit_rows(2, 6, 5)
    value = QueueContrastiveLoss(1e-6)(query.requires_grad_(), key, unit_rows(7, 5))
    value.backward()
    assert math.isfinite(value.item())
    assert query.grad.isfinite().all()


def test_compactness_equals_the_loop_over_queries():
    """The loss is the mean of one minus the cosine to one's centroid."""
    query, centroids = unit_rows(6, 5), unit_rows(3, 5)
    nearest = torch.tensor([0, 2, 2, 1, 0, 2])
    expected = 0.0
    for row, centroid in zip(query, nearest.tolist(), strict=True):
        expected += (1 - float(row @ centroids[centroid])) / len(query)
    value = CompactnessLoss()(query, centroids, nearest)
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_compactness_ignores_names_and_order():
    """Reordering the images, or renaming the centroids, keeps the loss."""
    query, centroids = unit_rows(6, 5), unit_rows(3, 5)
    nearest = torch.tensor([0, 2, 2, 1, 0, 2])
    images, names = torch.randperm(6), torch.tensor([2, 0, 1])
    loss = CompactnessLoss()
    value = loss(query, centroids, nearest)
    torch.testing.assert_close(loss(query[images], centroids, nearest[images]), value)
    torch.testing.assert_close(
        loss(query, centroids[names], names.argsort()[nearest]), value
    )


def test_compactness_moves_queries_and_not_centroids():
    """The gradient of a query is minus its centroid; a centroid has none."""
    query, centroids = (unit_rows(size, 5).requires_grad_() for size in (4, 3))
    nearest = torch.tensor([0, 2, 2, 1])
    value = CompactnessLoss()(query, centroids, nearest)
    of_query, of_centroids = torch.autograd.grad(
        value, (query, centroids), allow_unused=True
    )
    torch.testing.assert_close(of_query, -centroids[nearest].detach() / 4)
    assert of_centroids is None
