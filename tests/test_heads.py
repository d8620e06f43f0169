"""Heads on an embedding."""

import pickle
from copy import deepcopy

import pytest
import torch

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
    projection = InstanceHead(8, 5)(torch.randn(6, 8))
    assert projection.shape == (6, 5)
    torch.testing.assert_close(projection.norm(dim=1), torch.ones(6))


@pytest.mark.parametrize("n_cluster_heads", [1, 3])
def test_cluster_heads_assign_each_on_its_own(n_cluster_heads):
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
    heads.choose(1)
    assignment = heads(embedding)
    torch.testing.assert_close(assignment, everything[:, 1:2])
    assignment.square().sum().backward()
    for index, head in enumerate(heads):
        assert all((p.grad is None) == (index != 1) for p in head.parameters())
    heads.choose(-1)
    torch.testing.assert_close(heads(embedding), everything)


def test_the_choice_is_part_of_the_state():
    heads, other = ClusterHeads(8, 4, 3).eval(), ClusterHeads(8, 4, 3).eval()
    heads.choose(2)
    other.load_state_dict(heads.state_dict())
    embedding = torch.randn(6, 8)
    for copy in (other, deepcopy(heads), pickle.loads(pickle.dumps(heads))):
        torch.testing.assert_close(copy(embedding), heads(embedding))
        assert copy(embedding).shape == (6, 1, 4)


@pytest.mark.parametrize("index", [-2, 3])
def test_only_heads_that_exist_are_chosen(index):
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
    layers = [layer for layer in head.modules() if not list(layer.children())]
    return [
        tuple(each.weight.shape) if hasattr(each, "weight") else type(each).__name__
        for each in layers
    ]


def test_heads_of_other_methods_have_their_layers():
    """CC: two layers as wide as the embedding, no normalization; SCAN: one layer."""
    assert describe(two_layer_instance_head(8, 5)) == [(8, 8), "ReLU", (5, 8)]
    assert describe(two_layer_cluster_head(8, 4)) == [(8, 8), "ReLU", (4, 8)]
    assert describe(linear_cluster_head(8, 4)) == [(4, 8)]
    embedding = torch.randn(6, 8)
    projection = two_layer_instance_head(8, 5)(embedding)
    torch.testing.assert_close(projection.norm(dim=1), torch.ones(6))
    for make in (two_layer_cluster_head, linear_cluster_head):
        assignment = ClusterHeads(8, 4, 2, make)(embedding)
        assert assignment.shape == (6, 2, 4)
        torch.testing.assert_close(assignment.sum(dim=2), torch.ones(6, 2))
