"""The oracles of the fusing-augmenting ViT, and the parameter counts of VTCC."""

import pytest
import torch

from sklearn_mfavb.backbones import (
    ConvStem,
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
    """Build a small network of fusing blocks, in evaluation mode."""
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


def test_auto_at_224_pixels_is_vtcc_small_with_fusion():
    """At 224 pixels the automatic sizes are 2 x [2 + 2] layers of width 384."""
    size = resolve_vit_size((224, 224))
    assert (size.patch_size, size.embed_dim, size.n_heads) == (16, 384, 12)
    assert (size.n_blocks, size.shared_depth, size.fused_depth) == (2, 2, 2)
    assert size.grid_size == (14, 14)


@pytest.mark.parametrize("side", [8, 12, 16, 28, 32, 50, 64, 96, 128, 224])
def test_auto_sizes_suit_images_from_8_to_224_pixels(side):
    """Automatic sizes build a network that runs, with a bounded number of tokens."""
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
    size = resolve_vit_size((8, 8), embed_dim=embed_dim)
    assert size.n_heads == n_heads


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
    """The error names the size that is wrong."""
    with pytest.raises(ValueError, match=named):
        resolve_vit_size((32, 32), **sizes)


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


def make_with_features(kind, image_tokens=True):
    """Build a small network that reads 5 features, in evaluation mode."""
    depth = (
        {"depth": 2}
        if kind is ConvStemViT
        else {"n_blocks": 2, "shared_depth": 1, "fused_depth": 1}
    )
    vit = kind(
        (4, 4),
        n_channels=1,
        patch_size=2,
        embed_dim=32,
        n_heads=2,
        feature_dim=5,
        image_tokens=image_tokens,
        **depth,
    )
    return vit.double().eval()


def draw_view(n_samples=3):
    """Draw images and features in float64."""
    return View(
        torch.rand(n_samples, 1, 8, 8, dtype=torch.float64),
        torch.randn(n_samples, 5, dtype=torch.float64),
    )


both_kinds = pytest.mark.parametrize("kind", [ConvStemViT, FusingAugmentingViT])


@both_kinds
@pytest.mark.parametrize(("image_tokens", "n_tokens"), [(True, 18), (False, 2)])
def test_features_are_one_more_token(kind, image_tokens, n_tokens):
    """Class token, feature token and, if images are looked at, the patches."""
    vit = make_with_features(kind, image_tokens)
    assert vit.embed(draw_view()).shape == (3, n_tokens, 32)
    assert vit(draw_view()).shape == (3, 32)


@both_kinds
@pytest.mark.parametrize("image_tokens", [True, False])
def test_embedding_depends_on_the_features(kind, image_tokens):
    """Other features of one image move its embedding, and no other one."""
    vit, view = make_with_features(kind, image_tokens), draw_view()
    features = view.features.clone()
    features[1] += 1
    moved = (vit(view._replace(features=features)) - vit(view)).abs().amax(dim=1)
    assert moved[1] > 1e-3
    assert moved[[0, 2]].max() < 1e-12


@both_kinds
def test_without_image_tokens_images_do_not_count(kind):
    """Features alone give the embedding, whether there are images or none."""
    vit, view = make_with_features(kind, image_tokens=False), draw_view()
    assert torch.equal(vit(view), vit(View(None, view.features)))
    pairs = vit.forward_pair(view, view), vit.forward_pair(*[View(None, view[1])] * 2)
    assert torch.equal(pairs[0][0], pairs[1][0])


@both_kinds
@pytest.mark.parametrize("image_tokens", [True, False])
def test_equal_views_with_features_give_what_one_gives(kind, image_tokens):
    """Duplicate identity holds with a feature token."""
    vit, view = make_with_features(kind, image_tokens), draw_view()
    for embedding in vit.forward_pair(view, view):
        torch.testing.assert_close(embedding, vit(view), rtol=0, atol=1e-12)


@both_kinds
@pytest.mark.parametrize("image_tokens", [True, False])
def test_exchanging_views_with_features_exchanges_the_outputs(kind, image_tokens):
    """Swap equivariance holds with a feature token."""
    vit, a, b = make_with_features(kind, image_tokens), draw_view(), draw_view()
    first, second = vit.forward_pair(a, b)
    swapped_second, swapped_first = vit.forward_pair(b, a)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(first, swapped_first, rtol=0, atol=1e-12)
    torch.testing.assert_close(second, swapped_second, rtol=0, atol=1e-12)


@both_kinds
def test_a_network_must_look_at_something(kind):
    """Neither images nor features is refused."""
    depth = {"depth": 1} if kind is ConvStemViT else {"n_blocks": 1}
    if kind is FusingAugmentingViT:
        depth |= {"shared_depth": 1, "fused_depth": 1}
    with pytest.raises(ValueError, match="feature_dim"):
        kind(
            (4, 4),
            n_channels=1,
            patch_size=2,
            embed_dim=32,
            n_heads=2,
            image_tokens=False,
            **depth,
        )
