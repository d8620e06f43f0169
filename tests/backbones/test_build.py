"""From the parameter `backbone` to a network, and its sizes."""

import pytest
import torch

from sklearn_mfavb.backbones import (
    ConvStem,
    FeatureBackbone,
    ViT,
    build_backbone,
    resolve_vit_size,
)
from sklearn_mfavb.views import View, ViewShape

PIXELS = ViewShape((8, 8), 1)


def default():
    return FeatureBackbone((7,))


@pytest.mark.parametrize("backbone", ["auto", ViT(), ViT(embed_dim=32)])
def test_auto_and_sizes_stand_for_the_own_network(backbone):
    assert build_backbone(backbone, PIXELS, default).embed_dim == 7


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (FeatureBackbone((3,)), "got the network itself, a FeatureBackbone"),
        (lambda **shape: torch.nn.Identity(), "must build .*Backbone, got a Identity"),
        (lambda **shape: None, "got a NoneType"),
    ],
)
def test_what_builds_no_backbone_is_refused(backbone, message):
    """A network itself would be trained in place, and shared by clones."""
    with pytest.raises(TypeError, match=message):
        build_backbone(backbone, PIXELS, default)


def test_features_alone_are_the_embedding():
    features = torch.rand(4, 5)
    backbone = FeatureBackbone((2, 3))
    assert backbone.embed_dim == 5
    assert backbone(View(None, features)) is features
    first, second = backbone.forward_pair(View(None, features), View(None, -features))
    assert torch.equal(first, features)
    assert torch.equal(second, -features)


def test_auto_at_224_pixels_is_vtcc_small_with_fusion():
    size = resolve_vit_size((224, 224))
    assert (size.patch_size, size.embed_dim, size.n_heads) == (16, 384, 12)
    assert (size.n_blocks, size.shared_depth, size.fused_depth) == (2, 2, 2)
    assert size.grid_size == (14, 14)


@pytest.mark.parametrize(
    ("side", "fused_depth", "shared_depth"), [(64, 0, 2), (64, 3, 1), (224, 0, 4)]
)
def test_shared_layers_are_those_that_fused_ones_leave(side, fused_depth, shared_depth):
    """At least one layer sees a view alone."""
    size = resolve_vit_size((side, side), fused_depth=fused_depth)
    assert (size.shared_depth, size.fused_depth) == (shared_depth, fused_depth)


@pytest.mark.parametrize("side", [8, 12, 16, 28, 32, 50, 64, 96, 128, 224])
def test_auto_sizes_suit_images_from_8_to_224_pixels(side):
    size = resolve_vit_size((side, side))
    n_rows, n_columns = size.grid_size
    assert 4 <= n_rows * n_columns <= 196
    stem = ConvStem(3, size.embed_dim, size.patch_size)
    tokens = stem(torch.zeros(2, 3, side, side))
    assert tokens.shape == (2, n_rows * n_columns, size.embed_dim)


@pytest.mark.parametrize(
    ("embed_dim", "n_heads"), [(384, 12), (100, 2), (200, 5), (16, 1), (68, 2)]
)
def test_automatic_heads_divide_the_width(embed_dim, n_heads):
    """One head for 32 units, or the next fewer that divide the width."""
    size = resolve_vit_size((8, 8), ViT(embed_dim=embed_dim))
    assert size.n_heads == n_heads


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"patch_size": 3}, "patch_size=3"),
        ({"embed_dim": 30}, "embed_dim=30"),
        ({"embed_dim": 64, "n_heads": 5}, "n_heads"),
        ({"embed_dim": 4, "n_heads": 1, "patch_size": 16}, "patch_size"),
        ({"shared_depth": 0, "fused_depth": 0}, "shared_depth"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(sizes, named):
    depths = {name: sizes.pop(name) for name in list(sizes) if "depth" in name}
    with pytest.raises(ValueError, match=named):
        resolve_vit_size((32, 32), ViT(**sizes), **depths)


def test_sizes_without_pixels():
    size = resolve_vit_size(None, has_features=True)
    assert size.grid_size is None
    assert (size.embed_dim, size.shared_depth, size.fused_depth) == (128, 2, 0)
    assert resolve_vit_size(None, ViT(embed_dim=64), fused_depth=1).fused_depth == 1


@pytest.mark.parametrize(("has_features", "most"), [(False, 64), (True, 16)])
def test_pixels_beside_features_get_fewer_tokens(has_features, most):
    """The smallest patches that keep within the number of tokens."""
    size = resolve_vit_size((64, 64), has_features=has_features)
    n_rows, n_columns = size.grid_size
    assert n_rows * n_columns == most


def test_pixels_stand_beside_features():
    """They are averaged down to at most 16 a side, channel by channel."""
    backbone = FeatureBackbone((2, 3), (32, 8), 3)
    images = torch.arange(4.0).repeat_interleave(8)[:, None].expand(2, 3, 32, 8)
    rows = backbone(View(images, torch.ones(2, 5)))
    assert rows.shape == (2, backbone.embed_dim) == (2, 5 + 3 * 16 * 8)
    assert rows[:, :5].eq(1).all()
    column = rows[0, 5:].view(3, 16, 8)[1, :, 0]
    assert column.tolist() == [row // 4 for row in range(16)]
