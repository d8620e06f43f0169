"""Tests of transformer layers: tokens that are read, batches in parts."""

import pytest
import torch

from sklearn_mfavb.backbones import (
    ConvStemViT,
    FusingAugmentingBlock,
    FusingAugmentingViT,
    _layers,
)
from sklearn_mfavb.backbones._layers import make_layers, read_tokens
from sklearn_mfavb.views import View


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("n_tokens", "step"), [(5, 5), (10, 5), (7, 2), (4, 1)])
def test_reading_some_tokens_gives_what_all_layers_give(depth, n_tokens, step):
    """What is not read is not computed, and nothing else differs: nor do gradients."""
    layers = make_layers(depth, 32, 2).double()
    tokens = torch.randn(3, n_tokens, 32, dtype=torch.float64)
    read = read_tokens(layers, tokens, step=step)
    full = layers(tokens)[:, ::step]
    torch.testing.assert_close(read, full, rtol=0, atol=1e-12)

    weights = torch.randn_like(full)
    parameters = list(layers.parameters())
    for ours, theirs in zip(
        torch.autograd.grad((read * weights).sum(), parameters),
        torch.autograd.grad((full * weights).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_no_layers_read_the_tokens_as_they_are():
    tokens = torch.randn(3, 10, 32)
    read = read_tokens(make_layers(0, 32, 2), tokens, step=5)
    torch.testing.assert_close(read, tokens[:, [0, 5]], rtol=0, atol=0)


@pytest.mark.parametrize(("shared_depth", "fused_depth"), [(1, 1), (2, 0), (0, 2)])
def test_a_block_reads_the_first_token_of_each_view(shared_depth, fused_depth):
    block = FusingAugmentingBlock(
        32, n_heads=2, shared_depth=shared_depth, fused_depth=fused_depth
    ).double()
    a, b = torch.randn(2, 3, 5, 32, dtype=torch.float64)
    for read, full in zip(block.read_pair(a, b), block.forward_pair(a, b), strict=True):
        torch.testing.assert_close(read, full[:, 0], rtol=0, atol=1e-12)
    torch.testing.assert_close(block.read(a), block(a)[:, 0], rtol=0, atol=1e-12)


def test_batches_in_parts_give_what_a_whole_batch_gives(monkeypatch):
    sizes = {"n_channels": 1, "patch_size": 2, "embed_dim": 32, "n_heads": 2}
    depths = {"n_blocks": 2, "shared_depth": 1, "fused_depth": 1}
    vit = FusingAugmentingViT((4, 4), **sizes, **depths).double().eval()
    first, second = map(View, torch.rand(2, 40, 1, 8, 8, dtype=torch.float64))
    whole = (*vit.forward_pair(first, second), vit(first))
    monkeypatch.setattr(_layers, "_TOKEN_BYTES", 20 * 17 * 32 * 8)
    parts = (*vit.forward_pair(first, second), vit(first))
    assert _layers.cache_rows(torch.zeros(40, 17, 32, dtype=torch.float64)) == 16
    for in_parts, at_once in zip(parts, whole, strict=True):
        torch.testing.assert_close(in_parts, at_once, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("embed_dim", "n_heads"), [(128, 2), (192, 3)])
@pytest.mark.parametrize("patch_size", [4, 8])
def test_an_embedding_does_not_depend_on_the_position(embed_dim, n_heads, patch_size):
    """Shuffled images get shuffled embeddings bit for bit, in float32 and in parts."""
    grid = (32 // patch_size, 32 // patch_size)
    sizes = {"patch_size": patch_size, "embed_dim": embed_dim, "n_heads": n_heads}
    vit = ConvStemViT(grid, n_channels=3, depth=2, **sizes).eval()
    images = torch.rand(80, 3, 32, 32)
    order = torch.randperm(80)
    with torch.no_grad():
        embedding, shuffled = vit(View(images)), vit(View(images[order]))
    torch.testing.assert_close(shuffled, embedding[order], rtol=0, atol=0)


def test_parts_suit_the_cache():
    """They have 16 views at least, which are 8 pairs; off the CPU there are none."""
    for shape, device, alone, in_pairs in [
        ((9, 65, 64), "cpu", 112, 56),
        ((2, 4096, 384), "cpu", 16, 8),
        ((255, 4096, 384), "meta", 255, 255),
    ]:
        tokens = torch.zeros(shape, device=device)
        assert _layers.cache_rows(tokens) == alone
        assert _layers.cache_rows(tokens, n_views=2) == in_pairs


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("is_contiguous", [True, False])
def test_channels_last_are_the_same_images(n_channels, is_contiguous):
    """Values and gradients are those of a convolution that gets them channels first."""
    given = torch.randn(2, n_channels, 6, 5, dtype=torch.float64)
    images = given if is_contiguous else given.transpose(2, 3)
    images.requires_grad_()
    convolution = torch.nn.Conv2d(n_channels, 4, 3, dtype=torch.float64)
    weights = torch.randn_like(convolution(images))
    arranged = _layers.with_channels_last(images)
    assert arranged.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(arranged, images, rtol=0, atol=0, check_stride=False)

    sources = (images, convolution.weight, convolution.bias)
    ours = torch.autograd.grad((convolution(arranged) * weights).sum(), sources)
    theirs = torch.autograd.grad((convolution(images) * weights).sum(), sources)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
