"""A backbone and its heads."""

import pytest
import torch

from sklearn_mfavb.backbones import ConvStemViT, FeatureBackbone
from sklearn_mfavb.heads import CenterHead, ClusterHeads, InstanceHead
from sklearn_mfavb.networks import ClusteringNetwork, MomentumNetwork, ViewOutput
from sklearn_mfavb.views import View


def make_network(network_class=ClusteringNetwork):
    sizes = {"patch_size": 2, "embed_dim": 16, "n_heads": 2, "depth": 1}
    backbone = ConvStemViT((2, 2), n_channels=2, **sizes)
    heads = InstanceHead(16, 8), ClusterHeads(16, 3, 2)
    return network_class(backbone, *heads, n_channels=2)


@pytest.mark.parametrize("is_autocast", [False, True])
def test_views_get_unit_projections_and_probabilities(is_autocast):
    """In float32, also where the backbone computes in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_autocast):
        outputs = make_network().forward_views(*map(View, torch.rand(2, 5, 2, 4, 4)))
    for output in outputs:
        assert output.embedding.shape == (5, 16)
        torch.testing.assert_close(output.projection.norm(dim=1), torch.ones(5))
        torch.testing.assert_close(output.assignment.sum(dim=2), torch.ones(5, 2))
        assert output.assignment.shape == (5, 2, 3)


def test_images_are_standardized_per_channel():
    """Positions stay, and bytes are the pixels that they stand for."""
    network, position = make_network(), torch.arange(9)
    levels = torch.randint(256, (9, 2, 4, 4), dtype=torch.uint8)
    levels[:, 1] = levels[:, 1] // 10 + 200
    pixels = levels / 255
    untouched = network.normalize(View(pixels, None, position))
    assert torch.equal(untouched.images, pixels)
    network.standardize_by(pixels)
    view = network.normalize(View(pixels, None, position))
    torch.testing.assert_close(network.normalize(View(levels)).images, view.images)
    std, mean = torch.std_mean(view.images, dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones(2))
    assert view.position is position
    assert {"pixel_mean", "pixel_std"} <= network.state_dict().keys()


def test_constant_images_stay_finite():
    network, pixels = make_network(), torch.ones(3, 2, 4, 4)
    network.standardize_by(pixels)
    assert (network.normalize(View(pixels)).images == 0).all()


def test_a_network_on_features_alone_has_no_statistics():
    heads = InstanceHead(5, 8), ClusterHeads(5, 3)
    network = ClusteringNetwork(FeatureBackbone((2, 3)), *heads).eval()
    view = View(None, torch.rand(4, 5))
    assert network.normalize(view) is view
    assert network.embed(view) is view.features
    assert network.pixel_mean.numel() == 0
    assert network(view).shape == (4, 1, 3)


def test_frozen_parts_stay_in_evaluation():
    """Their statistics would drift otherwise; what learns is in training."""
    network = make_network()
    network.backbone.requires_grad_(False)
    network.cluster_heads[0].requires_grad_(False)
    assert network.train().training
    assert not any(module.training for module in network.backbone.modules())
    assert [head.training for head in network.cluster_heads] == [False, True]
    assert not any(module.training for module in network.eval().modules())


def test_parts_name_what_weight_decay_spares():
    network = make_network()
    network.cluster_heads = ClusterHeads(16, 3, 1, CenterHead)
    named = [getattr(part, "no_weight_decay", set)() for part in network.modules()]
    assert set().union(*named) == {"class_token", "centers"}


def test_one_image_can_train():
    """Both views pass the heads together, so batch normalization has two rows."""
    network = make_network().train()
    first, _ = network.forward_views(*map(View, torch.rand(2, 1, 2, 4, 4)))
    assert first.projection.isfinite().all()


def test_one_view_passes_alone():
    network = make_network().eval()
    images = torch.rand(5, 2, 4, 4)
    [output] = network.forward_views(View(images))
    torch.testing.assert_close(output.assignment, network(View(images)))


@pytest.mark.parametrize("n_batches", [2, 3])
def test_every_part_of_a_stack_is_split(n_batches):
    rows = torch.arange(12.0)[:, None]
    parts = ViewOutput(rows, 2 * rows, 3 * rows).split(n_batches)
    assert len(parts) == n_batches
    for factor, joined in enumerate(zip(*parts, strict=True), start=1):
        torch.testing.assert_close(torch.cat(joined), factor * rows)


def test_keys_start_as_queries_and_get_no_gradient():
    network = make_network(MomentumNetwork).eval()
    view = View(torch.rand(5, 2, 4, 4))
    query, key = network.forward_views(view, view)
    torch.testing.assert_close(key, query)
    (query.projection.sum() + key.projection[:, 0].sum()).backward()
    assert not key.projection.requires_grad
    for part in (network.key_backbone, network.key_head):
        assert all(weight.grad is None for weight in part.parameters())
    assert all(weight.grad is not None for weight in network.backbone.parameters())


def test_the_first_view_is_the_query_and_the_second_the_key():
    network = make_network(MomentumNetwork).eval()
    for weight in network.key_head.parameters():
        torch.nn.init.normal_(weight)
    first, second = map(View, torch.rand(2, 5, 2, 4, 4))
    query, key = network.forward_views(first, second)
    [alone] = network.forward_views(first)
    torch.testing.assert_close(query, alone)
    torch.testing.assert_close(key.embedding, network.embed(second))
    torch.testing.assert_close(key.projection, network.key_head(key.embedding))


def test_following_mixes_weights_and_leaves_statistics():
    """Weights become m key + (1 - m) query; batch statistics are the key's own."""
    network = make_network(MomentumNetwork)
    with torch.no_grad():
        for weight in network.backbone.parameters():
            weight.add_(torch.randn_like(weight))
    view = View(torch.rand(5, 2, 4, 4))
    network.forward_views(view, view)  # moves both statistics, apart
    before = {name: v.clone() for name, v in network.state_dict().items()}
    network.follow(0.75)
    weights = dict(network.key_backbone.named_parameters())
    for name, value in network.key_backbone.state_dict().items():
        key, query = before["key_backbone." + name], before["backbone." + name]
        is_weight = name in weights
        expected = 0.75 * key + 0.25 * query if is_weight else key
        torch.testing.assert_close(value, expected)
        assert is_weight <= (not torch.equal(value, query))


def test_keys_are_normalized_by_the_batch_in_training():
    """Frozen parts are put in evaluation by the loop; keys need the batch."""
    network = make_network(MomentumNetwork).train()
    network.key_backbone.eval(), network.key_head.eval()
    view = View(torch.rand(5, 2, 4, 4))
    query, key = network.forward_views(view, view)
    torch.testing.assert_close(key.projection, query.projection)
    query, key = network.forward_views(*[View(torch.rand(1, 2, 4, 4))] * 2)
    assert len(query.projection) == len(key.projection) == 1
