"""The queue of keys, its clusters, and when they draw."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from sklearn_mfavb.losses import QueueContrastiveLoss
from sklearn_mfavb.networks import ViewOutput
from sklearn_mfavb.objectives import CueCoObjective
from sklearn_mfavb.objectives._cueco import cluster_queue

WIDTH = 5


def draw_rows(n_rows):
    return functional.normalize(torch.randn(n_rows, WIDTH), dim=1)


def draw_couple(n_images=4):
    """Draw queries and keys; neither embeddings nor assignments are looked at."""
    unread = torch.full((n_images, 1), torch.nan)
    query, key = draw_rows(n_images).requires_grad_(), draw_rows(n_images)
    return ViewOutput(unread, query, unread), ViewOutput(unread, key, unread)


def make_objective(**parameters):
    """Build an objective with a small queue and without warm-up."""
    defaults = {
        "n_centroids": 3,
        "queue_size": 100,
        "projection_dim": WIDTH,
        "temperature": 0.2,
        "compactness_weight": 0.7,
        "n_warmup_steps": 0,
        "refresh": 1,
    }
    return CueCoObjective(**{**defaults, **parameters})


def test_queue_holds_the_last_keys_in_order():
    objective = make_objective(queue_size=10)
    seen = torch.zeros(0, WIDTH)
    for n_images in (4, 3, 4, 12, 2):
        couple = draw_couple(n_images)
        objective([couple])
        seen = torch.cat([couple[1].projection, seen])
        torch.testing.assert_close(objective.queue, seen[:10])
    assert len(objective.queue) == 10


def test_contrast_is_with_the_queue_of_earlier_batches():
    """The keys of a batch become negatives only after it; none get a gradient."""
    objective, loss = make_objective(), QueueContrastiveLoss(0.2)
    for _ in range(3):
        before = objective.queue.clone()
        query, key = draw_couple()
        key.projection.requires_grad_()
        term = objective([(query, key)])["instance_loss"]
        torch.testing.assert_close(term, loss(query.projection, key.projection, before))
        term.backward()
        assert key.projection.grad is None
    assert not objective.queue.requires_grad


def naive_compactness(objective, query, key):
    """Average the gap between queries and the centroid nearest to their key."""
    total = 0.0
    queries = query.projection.detach()
    for one_query, one_key in zip(queries, key.projection, strict=True):
        nearest = max(objective.centroids, key=lambda centroid: one_key @ centroid)
        total += 1 - float(one_query @ nearest)
    return total / len(queries)


def test_compactness_is_off_in_the_warm_up_and_then_rises():
    """Zero for three steps, then a third of its weight more in each of three."""
    objective = make_objective(n_warmup_steps=3, compactness_weight=0.6)
    for weight in (0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.6):
        query, key = draw_couple()
        term = objective([(query, key)])["compactness_loss"]
        expected = weight * naive_compactness(objective, query, key) if weight else 0.0
        assert term.item() == pytest.approx(expected, rel=1e-5)


def test_compactness_waits_for_as_many_keys_as_centroids():
    """Queues of 0, 4 and 8 keys have no 10 clusters; one of 12 has."""
    objective = make_objective(n_centroids=10)
    terms = [objective([draw_couple()])["compactness_loss"] for _ in range(4)]
    assert [term.item() > 0 for term in terms] == [False, False, False, True]


def test_centroids_are_refreshed_every_few_steps():
    objective = make_objective(refresh=3)
    centroids = []
    for _ in range(8):
        objective([draw_couple()])
        centroids.append(objective.centroids.clone())
    assert len(centroids[0]) == 0
    moved = [
        not torch.equal(before, after) for before, after in pairwise(centroids[1:])
    ]
    assert moved == [False, True, False, False, True, False]


def naive_clusters(queue, centroids, spare):
    for _ in range(5):
        members = [[] for _ in centroids]
        for key in queue:
            similarity = [float(key @ centroid) for centroid in centroids]
            members[similarity.index(max(similarity))].append(key)
        centroids = [
            functional.normalize(sum(keys), dim=0) if keys else spare[cluster]
            for cluster, keys in enumerate(members)
        ]
    return torch.stack(centroids)


@pytest.mark.parametrize("has_start", [True, False])
def test_clusters_of_the_queue_equal_the_loop_over_keys(has_start):
    """Five rounds of spherical k-means, from given centroids or from random keys."""
    queue, start = draw_rows(40), draw_rows(4)
    torch.manual_seed(3)
    found = cluster_queue(queue, 4, start if has_start else None)
    torch.manual_seed(3)
    spare = queue[torch.randperm(40)[:4]]
    expected = naive_clusters(queue, list(start if has_start else spare), spare)
    torch.testing.assert_close(found, expected)


def test_empty_clusters_restart_at_a_key():
    queue = functional.normalize(torch.eye(2, WIDTH).repeat(10, 1), dim=1)
    start = torch.cat([torch.eye(2, WIDTH), -torch.ones(1, WIDTH)])
    found = cluster_queue(queue, 3, functional.normalize(start, dim=1))
    torch.testing.assert_close(found[:2], torch.eye(2, WIDTH))
    assert any(torch.equal(found[2], key) for key in queue)
