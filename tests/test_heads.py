"""Heads on an embedding, and the choice among them."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch

from sklearn_mfavb.estimators import _readout
from sklearn_mfavb.estimators._readout import choose_head
from sklearn_mfavb.heads import (
    CenterHead,
    ClusterHeads,
    InstanceHead,
    linear_cluster_head,
    start_at_centers,
    two_layer_cluster_head,
    two_layer_instance_head,
)

CPU = torch.device("cpu")


def test_instance_head_projects_to_unit_vectors():
    """Projections have length one."""
    projection = InstanceHead(8, 5)(torch.randn(6, 8))
    assert projection.shape == (6, 5)
    torch.testing.assert_close(projection.norm(dim=1), torch.ones(6))


@pytest.mark.parametrize("n_cluster_heads", [1, 3])
def test_cluster_heads_assign_each_on_its_own(n_cluster_heads):
    """Every head gives probabilities of its own, by weights of its own."""
    heads = ClusterHeads(8, 4, n_cluster_heads).eval()
    embedding = torch.randn(6, 8)
    assignment = heads(embedding)
    assert assignment.shape == (6, n_cluster_heads, 4)
    torch.testing.assert_close(assignment.sum(dim=2), torch.ones(6, n_cluster_heads))
    for index, head in enumerate(heads):
        torch.testing.assert_close(assignment[:, index], head(embedding))
        for other in range(index):
            assert not torch.allclose(assignment[:, index], assignment[:, other])


def test_a_chosen_head_stands_alone():
    """Only the chosen head assigns and learns; -1 brings the others back."""
    heads, embedding = ClusterHeads(8, 4, 3).eval(), torch.randn(6, 8)
    everything = heads(embedding)
    assert int(heads.chosen) == -1
    heads.choose(1)
    assert int(heads.chosen) == 1
    assignment = heads(embedding)
    torch.testing.assert_close(assignment, everything[:, 1:2])
    assignment.square().sum().backward()
    for index, head in enumerate(heads):
        assert all((p.grad is None) == (index != 1) for p in head.parameters())
    heads.choose(-1)
    torch.testing.assert_close(heads(embedding), everything)


def test_the_choice_is_part_of_the_state():
    """A state, a copy and a pickle keep the choice, which is an integer."""
    heads, embedding = ClusterHeads(8, 4, 3).eval(), torch.randn(6, 8)
    heads.choose(2)
    other = ClusterHeads(8, 4, 3).eval()
    other.load_state_dict(heads.state_dict())
    assert heads.state_dict()["chosen"].dtype == torch.int64
    for copy in (other, deepcopy(heads), pickle.loads(pickle.dumps(heads))):
        torch.testing.assert_close(copy(embedding), heads(embedding))
        assert copy(embedding).shape == (6, 1, 4)


@pytest.mark.parametrize("index", [-2, 3])
def test_only_heads_that_exist_are_chosen(index):
    """The error names the largest index."""
    with pytest.raises(ValueError, match=r"index must be .* to 2, got"):
        ClusterHeads(8, 4, 3).choose(index)


def test_linear_heads_start_as_mixtures_of_spheres():
    """Softmax over minus the squared distances, wherever the origin is."""
    head, centers = linear_cluster_head(5, 3), torch.randn(3, 5) + 4
    start_at_centers(head, centers, 2.0)
    rows = torch.randn(7, 5) + 4
    expected = torch.softmax(-torch.cdist(rows, centers).square() / 4, dim=1)
    torch.testing.assert_close(head(rows), expected)


def test_centers_assign_by_student_t():
    """One over one plus the squared distance, of rows that sum to one."""
    head, centers = CenterHead(2, 3), torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    head.set_centers(centers)
    assert isinstance(head.centers, torch.nn.Parameter)
    assignment = head(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    kernel = torch.tensor([[1.0, 1 / 10, 1 / 17], [1 / 26, 1 / 17, 1 / 10]])
    expected = kernel / kernel.sum(dim=1, keepdim=True)
    torch.testing.assert_close(assignment, expected)


def describe(head):
    """Name the layers of a head, linear ones by their widths."""
    modules = [m for m in head.modules() if not list(m.children())]
    return [
        (m.in_features, m.out_features)
        if isinstance(m, torch.nn.Linear)
        else type(m).__name__
        for m in modules
    ]


def test_heads_of_other_methods_have_their_layers():
    """CC: two layers as wide as the embedding, no normalisation; SCAN: one layer."""
    assert describe(two_layer_instance_head(8, 5)) == [(8, 8), "ReLU", (8, 5)]
    assert describe(two_layer_cluster_head(8, 4)) == [(8, 8), "ReLU", (8, 4)]
    assert describe(linear_cluster_head(8, 4)) == [(8, 4)]
    embedding = torch.randn(6, 8)
    projection = two_layer_instance_head(8, 5)(embedding)
    torch.testing.assert_close(projection.norm(dim=1), torch.ones(6))
    for make in (two_layer_cluster_head, linear_cluster_head):
        assignment = ClusterHeads(8, 4, 2, make)(embedding)
        assert assignment.shape == (6, 2, 4)
        torch.testing.assert_close(assignment.sum(dim=2), torch.ones(6, 2))


def crisp_head(n_clusters, reads):
    """Make layers that assign crisply by some entries of the embedding."""
    layer = torch.nn.Linear(6, n_clusters, bias=False)
    layer.weight.data.zero_()
    for cluster, entry in enumerate(reads):
        layer.weight.data[cluster, entry] = 20.0
    return torch.nn.Sequential(layer)


@pytest.mark.parametrize("best", [0, 1, 2])
@pytest.mark.parametrize("neighbors", ["within", None])
def test_chosen_head_has_the_lowest_loss(best, neighbors):
    """Crisp balanced clusters of neighbours beat collapsed and undecided ones."""
    kinds = np.repeat(np.arange(3), 4)
    embedding = np.eye(6, dtype=np.float32)[kinds]
    heads = ClusterHeads(6, 3, 3)
    for index, reads in enumerate([[5, 4, 3], [0, 0, 0], [1, 1, 5]]):
        heads[index].layers = crisp_head(3, reads)
    heads[best].layers = crisp_head(3, [0, 1, 2])
    if neighbors is not None:
        neighbors = np.array([[4 * (i // 4) + (i + 1) % 4] for i in range(12)])
    chosen = choose_head(heads, embedding, neighbors, device=CPU)
    assert chosen == best


def test_neighbours_decide_between_crisp_heads():
    """Of two crisp balanced heads the one that neighbours confirm is taken."""
    embedding = np.zeros((8, 6), dtype=np.float32)
    embedding[:, 0] = [1, 1, 1, 1, 0, 0, 0, 0]
    embedding[:, 1] = 1 - embedding[:, 0]
    embedding[:, 2] = [1, 0, 1, 0, 1, 0, 1, 0]
    embedding[:, 3] = 1 - embedding[:, 2]
    heads = ClusterHeads(6, 2, 2)
    heads[0].layers = crisp_head(2, [0, 1])
    heads[1].layers = crisp_head(2, [2, 3])
    in_halves = np.array([[1], [2], [3], [0], [5], [6], [7], [4]])
    by_parity = np.array([[2], [3], [4], [5], [6], [7], [0], [1]])
    for neighbors, expected in ((in_halves, 0), (by_parity, 1)):
        chosen = choose_head(heads, embedding, neighbors, device=CPU)
        assert chosen == expected


def test_heads_are_judged_on_blocks_that_do_not_follow_the_order(monkeypatch):
    """Blocks of images sorted by class are as mixed as all images are."""
    monkeypatch.setattr(_readout, "_BLOCK_ROWS", 6)
    embedding = np.eye(6, dtype=np.float32)[np.repeat(np.arange(3), 6)]
    heads = ClusterHeads(6, 3, 2)
    heads[0].layers = crisp_head(3, [5, 4, 0])
    heads[1].layers = crisp_head(3, [0, 1, 2])
    seen = []

    def loss(assignment, of_positives):
        seen.append(len(assignment))
        assert of_positives.shape == (2, len(assignment), 3)
        return -assignment.mean(dim=0).min()

    neighbors = np.stack([np.arange(18), np.roll(np.arange(18), 1)], axis=1)
    assert choose_head(heads, embedding, neighbors, loss=loss, device=CPU) == 1
    assert seen == [6, 6, 6] * 2


def test_a_choice_stands():
    """What was chosen before is not judged again."""
    heads = ClusterHeads(6, 3, 2)
    heads.choose(1)
    rows = np.zeros((4, 6), dtype=np.float32)
    assert choose_head(heads, rows, None, loss=None, device=CPU) == 1
