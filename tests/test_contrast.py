"""What is contrasted with what, and the leak of the literal reading."""

import pytest
import torch

from sklearn_mfavb.augmentation import Identity
from sklearn_mfavb.backbones import FusingAugmentingViT
from sklearn_mfavb.contrast import AcrossPairs, WithinPair
from sklearn_mfavb.heads import ClusterHead, InstanceHead
from sklearn_mfavb.networks import ClusteringNetwork


@pytest.fixture
def network():
    """Two fusing blocks in evaluation mode, where batches do not mix images."""
    backbone = FusingAugmentingViT(
        (4, 4),
        n_channels=1,
        patch_size=2,
        embed_dim=32,
        n_heads=2,
        n_blocks=2,
        shared_depth=1,
        fused_depth=1,
    )
    return ClusteringNetwork(
        backbone,
        InstanceHead(32, 16),
        ClusterHead(32, 4),
        pixel_mean=torch.tensor([0.5]),
        pixel_std=torch.tensor([0.25]),
    ).eval()


def largest_gradient(output, view):
    """Return the largest derivative of all parts of an output to a view."""
    total = sum(part.square().sum() for part in output)
    (gradient,) = torch.autograd.grad(total, view, retain_graph=True)
    return gradient.abs().max()


def test_across_pairs_no_half_depends_on_what_it_is_contrasted_with(network):
    """The leak is closed: the gradient to the other pair's views is exactly zero."""
    first, second = torch.rand(2, 6, 1, 8, 8)  # rows 0-2 are P, rows 3-5 are Q
    first.requires_grad_()
    second.requires_grad_()
    outputs = network.forward_pair(first, second)
    couples = AcrossPairs(Identity(), Identity()).positives(*outputs)
    assert len(couples) == 2
    for of_p, of_q in couples:
        for view in (first, second):
            total = sum(part.square().sum() for part in of_p)
            (gradient,) = torch.autograd.grad(total, view, retain_graph=True)
            assert (gradient[3:] == 0).all()
            assert (gradient[:3] != 0).any()
            total = sum(part.square().sum() for part in of_q)
            (gradient,) = torch.autograd.grad(total, view, retain_graph=True)
            assert (gradient[:3] == 0).all()
            assert (gradient[3:] != 0).any()


def test_within_pair_each_half_depends_on_what_it_is_contrasted_with(network):
    """The literal reading leaks: a half has read the half it is compared to."""
    first, second = torch.rand(2, 3, 1, 8, 8)
    first.requires_grad_()
    second.requires_grad_()
    outputs = network.forward_pair(first, second)
    [(half_a, half_b)] = WithinPair(Identity(), Identity()).positives(*outputs)
    assert largest_gradient(half_a, second) > 0
    assert largest_gradient(half_b, first) > 0


def test_across_pairs_views_are_the_image_and_its_partner():
    """P is made of the image twice, Q of its partner twice."""
    images = torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)
    partners = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    contrast = AcrossPairs(Identity(), Identity())
    for view in contrast.draw({"images": images, "partners": partners}):
        assert (view[:2] == 1).all()
        assert (view[2:] == 0).all()


def test_across_pairs_without_partner_shows_the_image_in_both_pairs():
    """Positives by augmentation: P and Q show the same image."""
    images = torch.rand(2, 1, 4, 4)
    first, second = AcrossPairs(Identity(), Identity()).draw({"images": images})
    torch.testing.assert_close(first, torch.cat([images, images]))
    torch.testing.assert_close(second, torch.cat([images, images]))


def test_within_pair_second_view_shows_the_partner():
    """One pair per image, and each view has its own augmentation."""
    images, partners = torch.rand(2, 3, 1, 4, 4)
    contrast = WithinPair(lambda batch: batch, lambda batch: 1 - batch)
    first, second = contrast.draw({"images": images, "partners": partners})
    torch.testing.assert_close(first, images)
    torch.testing.assert_close(second, 1 - partners)
    _, second = contrast.draw({"images": images})
    torch.testing.assert_close(second, 1 - images)
