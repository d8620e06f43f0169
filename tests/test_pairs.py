"""Pairs of views, what must agree, and the leak of the literal reading."""

import pytest
import torch

from sklearn_mfavb.augmentation import FeatureNoise, Identity, ViewAugmentation
from sklearn_mfavb.backbones import FusingAugmentingViT
from sklearn_mfavb.heads import ClusterHeads, InstanceHead
from sklearn_mfavb.losses import InstanceContrastiveLoss
from sklearn_mfavb.networks import ClusteringNetwork, ViewOutput
from sklearn_mfavb.pairs import (
    AcrossPairs,
    CleanAndAugmented,
    MultiCrop,
    SeparateViews,
    ViewsAndPartner,
    WithinPair,
)
from sklearn_mfavb.views import View


def unchanged(view):
    return view


def make_network(grid_size=(4, 4), feature_dims=()):
    """Build two fusing blocks in evaluation mode, where batches do not mix images."""
    sizes = {"n_channels": 1, "patch_size": 2, "embed_dim": 32, "n_heads": 2}
    depths = {"n_blocks": 2, "shared_depth": 1, "fused_depth": 1}
    backbone = FusingAugmentingViT(
        grid_size, **sizes, **depths, feature_dims=feature_dims
    )
    heads = InstanceHead(32, 16), ClusterHeads(32, 4)
    n_channels = 0 if grid_size is None else 1
    return ClusteringNetwork(backbone, *heads, n_channels=n_channels).eval()


def largest_gradient(output, view):
    total = sum(part.square().sum() for part in output)
    (gradient,) = torch.autograd.grad(total, view, retain_graph=True)
    return gradient.abs().max()


def invert(view):
    return view._replace(images=1 - view.images)


@pytest.fixture(params=[True, False], ids=["partner", "alone"])
def drawn(request):
    """Draw a batch of bytes; return it with views of the images and their partners.

    An image without a partner is its own.
    """

    def draw(position):
        images = torch.randint(256, (3, 1, 4, 4), dtype=torch.uint8)
        return {"images": images, "features": torch.rand(3, 5), "index": position}

    batch, partners = draw(torch.arange(3)), draw(torch.arange(3, 6))
    anchors = View(batch["images"] / 255, batch["features"], batch["index"])
    if not request.param:
        return batch, anchors, anchors
    batch |= {f"partner_{name}": value for name, value in partners.items()}
    others = View(partners["images"] / 255, partners["features"], partners["index"])
    return batch, anchors, others


def test_across_pairs_show_the_image_and_its_partner(drawn):
    """P is made of the image twice, Q of its partner twice."""
    batch, anchors, partners = drawn
    first, second = AcrossPairs(unchanged, invert).draw(batch)
    torch.testing.assert_close(first, anchors.stack(partners))
    torch.testing.assert_close(second, invert(anchors.stack(partners)))


def test_within_pair_second_view_shows_the_partner(drawn):
    """One pair per image, and each view has its own augmentation."""
    batch, anchors, partners = drawn
    first, second = WithinPair(unchanged, invert).draw(batch)
    torch.testing.assert_close(first, anchors)
    torch.testing.assert_close(second, invert(partners))


def number_rows(view):
    """Make an output whose embedding is the mean pixel of every row."""
    rows = view.images.mean(dim=(1, 2, 3))[:, None]
    return ViewOutput(rows, rows, rows)


def test_separate_views_stack_images_on_partners(drawn):
    """Each side has its own augmentation, and the couple is split where it was put."""
    batch, anchors, partners = drawn
    pairs = SeparateViews(unchanged, invert)
    [view] = pairs.draw(batch)
    torch.testing.assert_close(view, anchors.stack(invert(partners)))
    [(of_images, of_partners)] = pairs.positives(number_rows(view))
    torch.testing.assert_close(of_images, number_rows(anchors))
    torch.testing.assert_close(of_partners, number_rows(invert(partners)))


def draw_batch():
    names = ("images", "features", "partner_images", "partner_features")
    shapes = ((3, 1, 8, 8), (3, 5)) * 2
    drawn = [torch.rand(shape) for shape in shapes]
    return {name: x.requires_grad_() for name, x in zip(names, drawn, strict=True)}


# What a network looks at, and the names of that in a batch.
LOOKS = {
    "pixels": ({}, ["images"]),
    "features": ({"grid_size": None, "feature_dims": (5,)}, ["features"]),
    "both": ({"feature_dims": (2, 3)}, ["images", "features"]),
}


def couple(pairs, looks):
    """Pass a batch through a network; return it with couples and names of its parts."""
    parameters, names = LOOKS[looks]
    network, batch = make_network(**parameters), draw_batch()
    views = pairs.draw(batch)
    return batch, pairs.positives(*network.forward_views(*views)), names


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("kind", [AcrossPairs, SeparateViews])
def test_no_half_depends_on_what_it_is_held_against(kind, looks):
    """The leak is closed: the gradient to the other image is exactly zero."""
    batch, couples, names = couple(kind(unchanged, unchanged), looks)
    assert len(couples) == (2 if kind is AcrossPairs else 1)
    for of_anchor, of_partner in couples:
        for name in names:
            own, other = batch[name], batch["partner_" + name]
            assert largest_gradient(of_anchor, own) > 0
            assert largest_gradient(of_anchor, other) == 0
            assert largest_gradient(of_partner, other) > 0
            assert largest_gradient(of_partner, own) == 0


@pytest.mark.parametrize("looks", LOOKS)
def test_within_pair_each_half_depends_on_what_it_is_held_against(looks):
    """The literal reading leaks: a half has read the half it is compared to."""
    batch, [(half_a, half_b)], names = couple(WithinPair(unchanged, unchanged), looks)
    for name in names:
        assert largest_gradient(half_a, batch["partner_" + name]) > 0
        assert largest_gradient(half_b, batch[name]) > 0


@pytest.mark.parametrize("n_augmentations", [1, 2, 3])
def test_clean_images_come_last(n_augmentations):
    """Views in their order, then the image as it is; the partner is not looked at."""
    images, partners = torch.rand(2, 3, 1, 4, 4)
    factors = [0.5**i for i in range(1, n_augmentations + 1)]
    augmentations = [
        lambda view, factor=factor: View(factor * view.images) for factor in factors
    ]
    pairs = CleanAndAugmented(*augmentations)
    [view] = pairs.draw({"images": images, "partner_images": partners})
    expected = [factor * images for factor in [*factors, 1.0]]
    torch.testing.assert_close(view.images, torch.cat(expected))
    [outputs] = pairs.positives(number_rows(view))
    assert len(outputs) == n_augmentations + 1
    for output, part in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, number_rows(View(part)))


def scale(factor):
    return lambda view: view._replace(images=factor * view.images)


@pytest.mark.parametrize("n_small_crops", [0, 2])
def test_small_crops_come_after_the_two_large_views(n_small_crops):
    """They are parts of first views; the second view shows the partner."""
    images, partners = torch.rand(2, 3, 1, 4, 4)
    pairs = MultiCrop(scale(2.0), scale(3.0), scale(0.5), n_small_crops)
    [view] = pairs.draw({"images": images, "partner_images": partners})
    expected = [2 * images, 3 * partners, *[images] * n_small_crops]
    torch.testing.assert_close(view.images, torch.cat(expected))
    [outputs] = pairs.positives(number_rows(view))
    for output, part in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, number_rows(View(part)))


def test_the_partner_comes_after_two_views():
    images, partners = torch.rand(2, 3, 1, 4, 4)
    pairs = ViewsAndPartner(scale(2.0), scale(3.0))
    [view] = pairs.draw({"images": images, "partner_images": partners})
    expected = [2 * images, 3 * images, 2 * partners]
    torch.testing.assert_close(view.images, torch.cat(expected))
    [outputs] = pairs.positives(number_rows(view))
    for output, part in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, number_rows(View(part)))


def couple_projections(network, augment_features):
    augment = ViewAugmentation(Identity(), augment_features)
    pairs = AcrossPairs(augment, augment)
    views = pairs.draw({"features": torch.randn(8, 5)})
    couples = pairs.positives(*network.forward_views(*views))
    return [(one.projection, other.projection) for one, other in couples]


@pytest.mark.parametrize("seed", range(3))
def test_shared_features_make_the_same_image_a_trivial_positive(seed):
    """Whatever the weights, positives that share a feature are at cosine one."""
    torch.manual_seed(seed)
    network = make_network(grid_size=None, feature_dims=(5,))
    loss = InstanceContrastiveLoss()
    for one, other in couple_projections(network, Identity()):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
        torch.testing.assert_close(loss(one, other), loss(one, one))
    for one, other in couple_projections(network, FeatureNoise()):
        assert (one - other).abs().max() > 1e-2
        assert loss(one, other) > loss(one, one)
