"""The oracles of the fusing-augmenting ViT, alone and beside features."""

import pytest
import torch

from sklearn_mfavb.backbones import (
    ConvStemViT,
    FusingAugmentingBlock,
    FusingAugmentingViT,
    choose_attention,
    resolve_vit_size,
)
from sklearn_mfavb.views import View

KINDS = [ConvStemViT, FusingAugmentingViT]
SIZES = {"n_channels": 1, "patch_size": 2, "embed_dim": 32, "n_heads": 2}


def make_vit(kind=FusingAugmentingViT, grid=(4, 4), layout=(2, 1, 1), feature_dims=()):
    """Build a network in evaluation mode; a plain one is as deep as all blocks."""
    n_blocks, shared, fused = layout
    depths = {"n_blocks": n_blocks, "shared_depth": shared, "fused_depth": fused}
    if kind is ConvStemViT:
        depths = {"depth": n_blocks * (shared + fused)}
    return kind(grid, **SIZES, **depths, feature_dims=feature_dims).eval()


def draw_view(dtype=torch.float64):
    return View(torch.rand(3, 1, 8, 8, dtype=dtype), torch.randn(3, 5, dtype=dtype))


ON_PIXELS = [{"layout": each} for each in [(1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 1, 2)]]
ON_FEATURES = [
    {"kind": kind, "grid": grid, "feature_dims": (2, 3)}
    for kind in KINDS
    for grid in ((4, 4), None)
]


@pytest.mark.parametrize("parameters", [*ON_PIXELS, *ON_FEATURES])
def test_two_equal_views_give_what_one_view_gives(parameters):
    """Duplicate identity: the single-view path of prediction is exact."""
    vit, view = make_vit(**parameters).double(), draw_view()
    for embedding in vit.forward_pair(view, view):
        torch.testing.assert_close(embedding, vit(view), rtol=0, atol=1e-12)


@pytest.mark.parametrize("parameters", [*ON_PIXELS, *ON_FEATURES])
def test_exchanging_the_views_exchanges_the_outputs(parameters):
    """Swap equivariance: nothing tells the first view from the second."""
    vit, a, b = make_vit(**parameters).double(), draw_view(), draw_view()
    first, second = vit.forward_pair(a, b)
    swapped_second, swapped_first = vit.forward_pair(b, a)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(first, swapped_first, rtol=0, atol=1e-12)
    torch.testing.assert_close(second, swapped_second, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("fused_depth", "sees_partner"), [(0, False), (1, True)])
def test_partner_counts_exactly_when_fused(fused_depth, sees_partner):
    vit = make_vit(layout=(2, 1, fused_depth))
    a, b = torch.rand(2, 3, 1, 8, 8)
    b.requires_grad_()
    first, _ = vit.forward_pair(View(a), View(b))
    (gradient,) = torch.autograd.grad(
        first.square().sum(), b, allow_unused=True, materialize_grads=True
    )
    assert bool((gradient != 0).any()) is sees_partner
    assert bool((first - vit(View(a))).abs().max() > 1e-3) is sees_partner


def test_both_views_share_the_small_vit():
    block = FusingAugmentingBlock(32, n_heads=2, shared_depth=1, fused_depth=1).eval()
    batch_sizes = []
    block.shared[0].register_forward_hook(
        lambda module, inputs, output: batch_sizes.append(len(inputs[0]))
    )
    block.forward_pair(*torch.rand(2, 3, 5, 32))
    assert batch_sizes == [6]


def test_without_fusion_it_is_the_control():
    """Depth 0 fused reproduces the plain ViT of equal depth, seed for seed."""
    outputs, views = [], (draw_view(torch.float32), draw_view(torch.float32))
    for kind in KINDS:
        torch.manual_seed(3)
        vit = make_vit(kind, layout=(2, 2, 0))
        outputs.append(vit.forward_pair(*views))
    for ours, theirs in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("shared_depth", "fused_depth"), [(4, 4), (2, 1), (2, 2)])
def test_layers_have_the_parameters_of_the_design(shared_depth, fused_depth):
    """At width 384 every layer has 1.77 million."""
    depths = {"shared_depth": shared_depth, "fused_depth": fused_depth}
    with torch.device("meta"):
        block = FusingAugmentingBlock(384, n_heads=12, **depths)
    total = sum(parameter.numel() for parameter in block.parameters())
    assert total == (shared_depth + fused_depth) * 1_774_464


@pytest.mark.parametrize("image_size", [(1, 2), (1, 30), (5, 9), (7, 3)])
def test_odd_sizes_and_strips_run(image_size):
    """Sides that no patch divides are padded; strips one pixel high work."""
    size = resolve_vit_size(image_size)
    sizes = {**SIZES, "patch_size": size.patch_size, "embed_dim": 16}
    depths = {"n_blocks": 1, "shared_depth": 1, "fused_depth": 1}
    vit = FusingAugmentingViT(size.grid_size, **sizes, **depths)
    assert vit(View(torch.zeros(2, 1, *image_size))).shape == (2, 16)


def test_attention_choice_does_not_change_the_function():
    """Explicit and fused attention agree; only CUDA gets the fused one."""
    vit, view = make_vit(), draw_view(torch.float32)
    switches = [m for m in vit.modules() if hasattr(m, "fused_attn")]
    assert len(switches) == 4
    for module in switches:
        module.fused_attn = True
    fused = vit(view)
    choose_attention(vit, torch.device("cpu"))
    assert not any(module.fused_attn for module in switches)
    torch.testing.assert_close(vit(view), fused, rtol=1e-4, atol=1e-5)
    choose_attention(vit, torch.device("cuda"))
    assert all(module.fused_attn for module in switches)


@pytest.mark.parametrize("parameters", ON_FEATURES)
def test_features_of_every_encoder_are_one_more_token(parameters):
    """Class token, two feature tokens and, if there are pixels, the patches."""
    vit, view = make_vit(**parameters).double(), draw_view()
    n_tokens = 3 if parameters["grid"] is None else 19
    assert vit.embed(view).shape == (3, n_tokens, 32)
    assert vit(view).shape == (3, 32)


@pytest.mark.parametrize("parameters", ON_FEATURES)
@pytest.mark.parametrize("column", [0, 4])
def test_embedding_depends_on_the_features_of_every_encoder(parameters, column):
    vit, view = make_vit(**parameters).double(), draw_view()
    features = view.features.clone()
    features[1, column] += 1
    moved = (vit(view._replace(features=features)) - vit(view)).abs().amax(dim=1)
    assert moved[1] > 1e-3
    assert moved[[0, 2]].max() < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_grid_images_do_not_count(kind):
    vit, view = make_vit(kind, None, feature_dims=(2, 3)).double(), draw_view()
    alone = View(None, view.features)
    assert torch.equal(vit(view), vit(alone))
    in_pair, _ = vit.forward_pair(view, view)
    assert torch.equal(in_pair, vit.forward_pair(alone, alone)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_must_look_at_something(kind):
    with pytest.raises(ValueError, match="feature_dims"):
        make_vit(kind, None)
