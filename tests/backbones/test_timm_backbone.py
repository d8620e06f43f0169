"""Networks of timm as backbones: their stems, their sizes and the features."""

import pytest
import timm
import torch
from torch import nn

from sklearn_mfavb.backbones import TimmBackbone
from sklearn_mfavb.views import View


def make_resnet(image_size=(8, 8), n_channels=3, **options):
    torch.manual_seed(0)
    sizes = {"image_size": image_size, "n_channels": n_channels}
    return TimmBackbone("resnet18", **sizes, **options).eval()


def draw_view(n_samples=3, n_channels=3, image_size=(8, 8)):
    images = torch.rand(n_samples, n_channels, *image_size)
    return View(images, torch.randn(n_samples, 5))


@pytest.mark.parametrize(
    ("name", "image_size", "first_map"),
    [
        ("resnet18", (32, 32), (32, 32)),
        ("resnet18", (64, 40), (64, 40)),
        ("resnet18", (65, 40), (17, 10)),
        ("resnet18d", (6, 6), (6, 6)),
        ("resnet50_gn", (6, 6), (6, 6)),
    ],
)
def test_stem_keeps_the_resolution_of_small_images(name, image_size, first_map):
    """Up to 64 pixels the first stage sees every pixel; above, timm's stem stays."""
    resnet = TimmBackbone(name, image_size=image_size, n_channels=1).eval()
    sizes = []
    resnet.network.layer1.register_forward_hook(
        lambda module, inputs, output: sizes.append(tuple(inputs[0].shape[2:]))
    )
    resnet(View(torch.rand(1, 1, *image_size)))
    assert sizes == [first_map]


def test_new_stem_is_drawn_like_the_other_convolutions():
    """Its weights are Kaiming-normal by fan-out: variance 2 / (9 * 64)."""
    weight = make_resnet().network.conv1.weight
    assert weight.shape == (64, 3, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.1)


def test_random_resnet_sees_every_pixel():
    """No residual branch starts at zero, so that all pixels reach the embedding."""
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    make_resnet((32, 32))(View(images)).square().sum().backward()
    assert (images.grad != 0).any(dim=1).all()


def test_large_resnet_is_that_of_timm():
    """At 224 pixels the ResNet-34 has the parameters of timm's, its classifier off."""
    resnet = TimmBackbone("resnet34", image_size=(224, 224), n_channels=3)
    with torch.device("meta"):
        theirs = timm.create_model("resnet34", num_classes=0)
    ours, expected = (
        {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
        for network in (resnet.network, theirs)
    )
    assert ours == expected


def test_vision_transformer_is_built_for_the_images():
    vit = TimmBackbone("vit_tiny_patch16_224", image_size=(32, 32), n_channels=1)
    assert vit.embed_dim == vit.network.num_features == 192
    assert vit.network.patch_embed.num_patches == 4
    assert vit(View(torch.rand(2, 1, 32, 32))).shape == (2, 192)


def test_width_is_that_of_the_output():
    """Where timm has a layer after pooling, its width counts, not num_features."""
    mobile = TimmBackbone("mobilenetv3_small_050", image_size=(32, 32), n_channels=3)
    assert mobile.network.num_features == 288
    assert mobile.embed_dim == 1024
    assert mobile.eval()(View(torch.rand(2, 3, 32, 32))).shape == (2, 1024)


@pytest.mark.parametrize("image_size", [(1, 1), (1, 30), (1, 200), (5, 9)])
def test_strips_and_tiny_images_run(image_size):
    resnet = make_resnet(image_size, n_channels=1).train()
    assert resnet(View(torch.rand(2, 1, *image_size))).shape == (2, 512)


def test_building_leaves_the_network_untouched():
    resnet = TimmBackbone("resnet18", image_size=(8, 8), n_channels=3)
    assert all(module.training for module in resnet.modules())
    assert resnet.network.bn1.num_batches_tracked == 0


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("feature_dims", [(), (2, 3)])
def test_an_embedding_is_that_of_timm_plus_projected_features(n_channels, feature_dims):
    """Alone and in pairs, although channels are last in memory."""
    resnet = make_resnet(n_channels=n_channels, feature_dims=feature_dims)
    view = draw_view(n_channels=n_channels)
    expected = resnet.network(view.images)
    if feature_dims:
        expected = expected + resnet.feature_projection(view.features)
    first, _ = resnet.forward_pair(view, draw_view(n_channels=n_channels))
    assert expected.shape == (3, resnet.embed_dim) == (3, 512)
    for embedding in (resnet(view), first):
        torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)


def test_features_alone_need_no_network(monkeypatch):
    monkeypatch.delattr(timm, "create_model")
    alone, view = make_resnet(None, 0, feature_dims=(5,)), draw_view()
    assert alone.network is None
    assert alone.embed_dim == 512
    assert torch.equal(alone(view), alone.feature_projection(view.features))
    assert torch.equal(alone(view), alone(View(None, view.features)))


@pytest.mark.parametrize("image_size", [(8, 8), None])
def test_gradients_reach_everything(image_size):
    backbone = make_resnet(image_size, feature_dims=(5,)).train()
    backbone(draw_view()).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


def test_pretrained_weights_are_kept(monkeypatch):
    """The weights of timm are asked for, and no scale of them is set to one."""
    asked, create_model = [], timm.create_model

    def create(name, *, pretrained, **options):
        asked.append(pretrained)
        return create_model(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", create)
    resnet = make_resnet(pretrained=True)
    assert asked == [True]
    assert (resnet.network.layer1[0].bn2.weight == 0).all()
    assert isinstance(resnet.network.maxpool, nn.Identity)


@pytest.mark.parametrize(
    ("name", "image_size", "told"),
    [
        ("resnet_18", (8, 8), ": resnet18,"),
        ("resnet18.a1_in", (8, 8), ": resnet18.a1_in1k,"),
        ("vit_tiny_patch16_224", (28, 28), "28 x 28 pixels: .*patches of 16 x 16"),
        ("vit_tiny_patch16_224", (1, 30), "1 x 30 pixels: .*patches of 16 x 16"),
        ("vit_tiny_r_s16_p8_224", (28, 28), "28 x 28 pixels: .*AssertionError"),
        ("convnext_atto", (8, 8), "8 x 8 pixels: .*Kernel size"),
    ],
)
def test_unknown_names_and_images_that_do_not_suit_are_refused(name, image_size, told):
    """The error names similar networks, or the size of the images and the reason."""
    with pytest.raises(ValueError, match=f"backbone='{name}' .*{told}"):
        TimmBackbone(name, image_size=image_size, n_channels=3)


def test_missing_weights_are_refused(monkeypatch):
    monkeypatch.delattr(timm, "create_model")
    with pytest.raises(ValueError, match="no weights for backbone='resnet200'"):
        TimmBackbone("resnet200", image_size=(8, 8), n_channels=3, pretrained=True)


def test_a_network_must_look_at_something():
    with pytest.raises(ValueError, match="feature_dims"):
        make_resnet(None)


@pytest.mark.parametrize(("name", "is_last"), [("resnet10t", True), ("vgg11", False)])
def test_channels_are_last_in_resnets_only(name, is_last):
    """Other networks ended the process in their backward pass."""
    backbone = TimmBackbone(name, image_size=(32, 32), n_channels=3)
    arranged = backbone._arrange(torch.rand(2, 3, 32, 32))
    assert arranged.is_contiguous(memory_format=torch.channels_last) is is_last
