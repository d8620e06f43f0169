"""The oracles of the fusing-augmenting ViT, and the parameter counts of VTCC."""

import pytest
import torch

from sklearn_mfavb.backbones import (
    ConvStemViT,
    FusingAugmentingBlock,
    FusingAugmentingViT,
    choose_attention,
    resolve_vit_size,
)
from sklearn_mfavb.heads import ClusterHead, InstanceHead
from sklearn_mfavb.views import View

LAYOUTS = [(1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 1, 2)]


def make_fusing(n_blocks=2, shared_depth=1, fused_depth=1, seed=0):
    """Build a network of fusing blocks, in evaluation mode."""
    torch.manual_seed(seed)
    vit = FusingAugmentingViT(
        (4, 4),
        n_channels=1,
        patch_size=2,
        embed_dim=32,
        n_heads=2,
        n_blocks=n_blocks,
        shared_depth=shared_depth,
        fused_depth=fused_depth,
    )
    return vit.eval()


def count_parameters(module):
    """Count trained and fixed parameters alike."""
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_equal_views_give_what_one_view_gives(layout):
    """Duplicate identity: the single-view path of prediction is exact."""
    vit = make_fusing(*layout).double()
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    first, second = vit.forward_pair(View(images), View(images))
    alone = vit(View(images))
    torch.testing.assert_close(first, alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(second, alone, rtol=0, atol=1e-12)


def test_identity_holds_for_any_number_of_tokens():
    """Tokens beside the patches (features of another model) keep the identity."""
    vit = make_fusing().double()
    tokens = torch.rand(3, 21, 32, dtype=torch.float64)
    first, _ = vit.encode_pair(tokens, tokens)
    torch.testing.assert_close(first, vit.encode(tokens), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exchanging_the_views_exchanges_the_outputs(layout):
    """Swap equivariance: nothing tells the first view from the second."""
    vit = make_fusing(*layout).double()
    a, b = torch.rand(2, 3, 1, 8, 8, dtype=torch.float64)
    first, second = vit.forward_pair(View(a), View(b))
    swapped_second, swapped_first = vit.forward_pair(View(b), View(a))
    torch.testing.assert_close(first, swapped_first, rtol=0, atol=1e-12)
    torch.testing.assert_close(second, swapped_second, rtol=0, atol=1e-12)


def test_different_views_change_each_other():
    """Fusion is real: the partner matters to an embedding."""
    vit = make_fusing()
    a, b = torch.rand(2, 3, 1, 8, 8)
    fused, _ = vit.forward_pair(View(a), View(b))
    assert (fused - vit(View(a))).abs().max() > 1e-3


@pytest.mark.parametrize(("fused_depth", "sees_partner"), [(0, False), (1, True)])
def test_partner_gets_gradient_exactly_when_fused(fused_depth, sees_partner):
    """An embedding depends on the other view if and only if fusion is on."""
    vit = make_fusing(fused_depth=fused_depth)
    a, b = torch.rand(2, 3, 1, 8, 8)
    b.requires_grad_()
    first, _ = vit.forward_pair(View(a), View(b))
    (gradient,) = torch.autograd.grad(
        first.square().sum(), b, allow_unused=True, materialize_grads=True
    )
    assert bool((gradient != 0).any()) is sees_partner


def test_both_views_share_the_small_vit():
    """The shared layers are called once, on both views stacked."""
    block = FusingAugmentingBlock(32, n_heads=2, shared_depth=1, fused_depth=1).eval()
    batch_sizes = []
    block.shared[0].register_forward_hook(
        lambda module, inputs, output: batch_sizes.append(len(inputs[0]))
    )
    a, b = torch.rand(2, 3, 5, 32)
    block.forward_pair(a, b)
    assert batch_sizes == [6]
    with torch.no_grad():
        block.shared[0].attn.qkv.bias.add_(1.0)
    changed_first, changed_second = block.shared(torch.cat([a, b])).chunk(2)
    assert torch.allclose(changed_first, block.shared(a), atol=1e-6)
    assert torch.allclose(changed_second, block.shared(b), atol=1e-6)


def test_without_fusion_it_is_the_control():
    """Depth 0 fused reproduces the plain ViT of equal depth, seed for seed."""
    fusing = make_fusing(n_blocks=2, shared_depth=2, fused_depth=0, seed=3)
    torch.manual_seed(3)
    control = ConvStemViT(
        (4, 4), n_channels=1, patch_size=2, embed_dim=32, n_heads=2, depth=4
    ).eval()
    a, b = torch.rand(2, 3, 1, 8, 8)
    for ours, theirs in zip(
        fusing.forward_pair(View(a), View(b)),
        control.forward_pair(View(a), View(b)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "millions"),
    [
        ((1, 4, 4), 14.20),
        ((2, 2, 2), 14.20),
        ((4, 1, 1), 14.20),
        ((3, 2, 1), 15.97),
        ((3, 2, 2), 21.29),
    ],
)
def test_parameters_of_blocks(layout, millions):
    """Block parameters at width 384 are those computed in the design notes."""
    n_blocks, shared_depth, fused_depth = layout
    with torch.device("meta"):
        block = FusingAugmentingBlock(
            384, n_heads=12, shared_depth=shared_depth, fused_depth=fused_depth
        )
    total = n_blocks * count_parameters(block)
    assert total == n_blocks * (shared_depth + fused_depth) * 1_774_464
    assert round(total / 1e6, 2) == millions


def test_parameters_of_vtcc():
    """Stem, backbone and heads at 224 pixels have VTCC's parameter counts."""
    backbone = ConvStemViT(
        (14, 14), n_channels=3, patch_size=16, embed_dim=384, n_heads=12, depth=8
    )
    assert count_parameters(backbone.stem) == 1_021_488
    assert count_parameters(backbone) == 15_218_352
    assert count_parameters(InstanceHead(384)) == 3_155_072
    assert count_parameters(ClusterHead(384, 10)) == 2_973_706


@pytest.mark.parametrize("image_size", [(1, 2), (1, 30), (5, 9), (7, 3)])
def test_odd_sizes_and_strips_run(image_size):
    """Sides that no patch divides are padded; strips one pixel high work."""
    size = resolve_vit_size(image_size)
    vit = FusingAugmentingViT(
        size.grid_size,
        n_channels=1,
        patch_size=size.patch_size,
        embed_dim=16,
        n_heads=2,
        n_blocks=1,
        shared_depth=1,
        fused_depth=1,
    )
    assert vit(View(torch.zeros(2, 1, *image_size))).shape == (2, 16)


def test_attention_choice_does_not_change_the_function():
    """Explicit and fused attention agree; only CUDA gets the fused one."""
    vit = make_fusing()
    images = torch.rand(3, 1, 8, 8)
    switches = [m for m in vit.modules() if hasattr(m, "fused_attn")]
    assert len(switches) == 4
    for module in switches:
        module.fused_attn = True
    fused = vit(View(images))
    choose_attention(vit, torch.device("cpu"))
    assert not any(module.fused_attn for module in switches)
    torch.testing.assert_close(vit(View(images)), fused, rtol=1e-4, atol=1e-5)
    choose_attention(vit, torch.device("cuda"))
    assert all(module.fused_attn for module in switches)


def make_with_features(kind, grid_size=(4, 4)):
    """Build a small network on 2 and 3 features, in evaluation mode."""
    depth = (
        {"depth": 2}
        if kind is ConvStemViT
        else {"n_blocks": 2, "shared_depth": 1, "fused_depth": 1}
    )
    vit = kind(
        grid_size,
        n_channels=1,
        patch_size=2,
        embed_dim=32,
        n_heads=2,
        feature_dims=(2, 3),
        **depth,
    )
    return vit.double().eval()


def draw_view(n_samples=3):
    """Draw images and features in float64."""
    return View(
        torch.rand(n_samples, 1, 8, 8, dtype=torch.float64),
        torch.randn(n_samples, 5, dtype=torch.float64),
    )


both_grids = pytest.mark.parametrize("grid_size", [(4, 4), None])
both_kinds = pytest.mark.parametrize("kind", [ConvStemViT, FusingAugmentingViT])


@both_kinds
@pytest.mark.parametrize(("grid_size", "n_tokens"), [((4, 4), 19), (None, 3)])
def test_features_of_every_encoder_are_one_more_token(kind, grid_size, n_tokens):
    """Class token, two feature tokens and, if there are pixels, the patches."""
    vit = make_with_features(kind, grid_size)
    assert vit.embed(draw_view()).shape == (3, n_tokens, 32)
    assert vit(draw_view()).shape == (3, 32)


@both_kinds
@both_grids
@pytest.mark.parametrize("column", [0, 4])
def test_embedding_depends_on_the_features_of_every_encoder(kind, grid_size, column):
    """Other features of one image move its embedding, and no other one."""
    vit, view = make_with_features(kind, grid_size), draw_view()
    features = view.features.clone()
    features[1, column] += 1
    moved = (vit(view._replace(features=features)) - vit(view)).abs().amax(dim=1)
    assert moved[1] > 1e-3
    assert moved[[0, 2]].max() < 1e-12


@both_kinds
def test_without_a_grid_images_do_not_count(kind):
    """Features alone give the embedding, whether there are images or none."""
    vit, view = make_with_features(kind, None), draw_view()
    assert torch.equal(vit(view), vit(View(None, view.features)))
    pairs = vit.forward_pair(view, view), vit.forward_pair(*[View(None, view[1])] * 2)
    assert torch.equal(pairs[0][0], pairs[1][0])


@both_kinds
@both_grids
def test_equal_views_with_features_give_what_one_gives(kind, grid_size):
    """Duplicate identity holds with a feature token."""
    vit, view = make_with_features(kind, grid_size), draw_view()
    for embedding in vit.forward_pair(view, view):
        torch.testing.assert_close(embedding, vit(view), rtol=0, atol=1e-12)


@both_kinds
@both_grids
def test_exchanging_views_with_features_exchanges_the_outputs(kind, grid_size):
    """Swap equivariance holds with a feature token."""
    vit, a, b = make_with_features(kind, grid_size), draw_view(), draw_view()
    first, second = vit.forward_pair(a, b)
    swapped_second, swapped_first = vit.forward_pair(b, a)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(first, swapped_first, rtol=0, atol=1e-12)
    torch.testing.assert_close(second, swapped_second, rtol=0, atol=1e-12)


@both_kinds
def test_a_network_must_look_at_something(kind):
    """Neither pixels nor features is refused."""
    sizes = {"n_channels": 1, "patch_size": 2, "embed_dim": 32, "n_heads": 2}
    depth = {"depth": 1}
    if kind is FusingAugmentingViT:
        depth = {"n_blocks": 1, "shared_depth": 1, "fused_depth": 1}
    with pytest.raises(ValueError, match="feature_dims"):
        kind(None, **sizes, **depth)
