"""Encoders from names and files: every format, and every way to be wrong."""

from unittest.mock import MagicMock

import huggingface_hub
import open_clip
import pytest
import timm
import torch
from huggingface_hub import constants
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.features._build import load_encoder
from sklearn_mfavb.features._libraries import OpenCLIP


@pytest.fixture
def name(tiny_weights, tiny):
    """Name the registered tiny model."""
    return tiny().model


def visual(weights):
    """Pick the image tower of a model's weights."""
    return {name: value for name, value in weights.items() if name.startswith("visual")}


def bare(weights):
    """Pick the image tower, under the names it has alone."""
    return {name.removeprefix("visual."): x for name, x in visual(weights).items()}


CONTENTS = {
    "full": lambda weights: weights,
    "nested": lambda weights: {"state_dict": weights, "epoch": 3},
    "parallel": lambda weights: {
        "model": {f"module.{name}": value for name, value in weights.items()}
    },
    "visual": visual,
    "bare": bare,
}


@pytest.mark.parametrize(
    ("kind", "save"),
    [(kind, torch.save) for kind in CONTENTS]
    + [(kind, save_file) for kind in ("full", "visual", "bare")],  # tensors only
)
def test_files(tiny, tiny_model, photos, tmp_path, kind, save):
    """Whole checkpoints and image towers alone give the same features."""
    path = tmp_path / ("weights.pt" if save is torch.save else "weights.safetensors")
    save(CONTENTS[kind](tiny_model.state_dict()), path)
    expected = tiny().transform(photos)
    assert_allclose(tiny(pretrained=str(path)).transform(photos), expected, atol=1e-6)


def test_half_precision_file(tiny, tiny_model, photos, tmp_path):
    """Weights stored in half precision are computed with in single precision."""
    path = tmp_path / "weights.pt"
    weights = visual(tiny_model.state_dict())
    torch.save({name: value.half() for name, value in weights.items()}, path)
    features = tiny(pretrained=path).transform(photos)
    assert_allclose(features, tiny().transform(photos), atol=0.05)
    assert next(load_encoder(tiny().model, path).parameters()).dtype == torch.float32


def test_only_the_image_tower_is_kept(name, tiny_weights, tiny_model):
    """The encoder has as many weights as the image tower, frozen, and no more."""
    encoder = load_encoder(name, tiny_weights)
    sizes = [weight.numel() for weight in encoder.parameters()]
    assert sum(sizes) == sum(x.numel() for x in tiny_model.visual.parameters())
    assert not any(weight.requires_grad for weight in encoder.parameters())
    assert not encoder.train().tower.training


def test_missing_and_unexpected_weights(name, tiny_model, tmp_path):
    """Weights that do not fit are listed, with the model's name."""
    weights = visual(tiny_model.state_dict())
    del weights["visual.proj"]
    weights["visual.extra"] = torch.zeros(1)
    weights["visual.class_embedding"] = torch.zeros(3)
    path = tmp_path / "weights.safetensors"
    save_file(weights, path)
    expected = (
        rf'{name}.* another model\? .*Missing key.*"proj".* Unexpected key.*"extra".* '
        "size mismatch for class_embedding"
    )
    with pytest.raises(ValueError, match=expected):
        load_encoder(name, path)


class Command:
    """An object that would run code when it is unpickled."""

    def __reduce__(self):
        """Ask the reader to raise SystemExit."""
        return exit, ()


@pytest.mark.parametrize("file", ["text.pt", "text.safetensors", "code.pt"])
def test_broken_files(name, tmp_path, file):
    """A file that holds no weights is named, and code in it is not run."""
    path = tmp_path / file
    path.write_text("no weights")
    if file == "code.pt":
        torch.save({"state_dict": Command()}, path)
    with pytest.raises(ValueError, match=rf"{file}.*cannot be read as weights"):
        load_encoder(name, path)


@pytest.mark.parametrize("tag", ["opnai", None, True])
def test_unknown_tag(tag):
    """A wrong or missing tag is answered with the tags of the model."""
    # OpenAI has no weights of this one, so that a tag has to be named.
    with pytest.raises(ValueError, match=rf"{tag!r}.*ViT-H-14.*laion2b"):
        load_encoder("ViT-H-14", tag)
    with pytest.raises(ValueError, match=r"'web'.*test_vit.*r160_in1k"):
        load_encoder("test_vit", "web")


def test_missing_file(name, tmp_path):
    """A file that is not there is named."""
    path = tmp_path / "nowhere.pt"
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        load_encoder(name, path)
    with pytest.raises(ValueError, match=r"nowhere\.pt.* nor the path of a file"):
        load_encoder(name, str(path))


def test_unknown_model(photos):
    """A wrong name is answered with similar names of both libraries."""
    with pytest.raises(ValueError, match=r"ViT-B-23.*ViT-B-32"):
        CLIPFeatures("ViT-B-23").transform(photos)
    with pytest.raises(ValueError, match=r"resnet5O.*resnet50"):
        CLIPFeatures("resnet5O").transform(photos)


def test_tag_through_open_clip(name, tiny_model, tmp_path, monkeypatch):
    """The weights of a tag come with their own preprocessing and activation."""
    path = tmp_path / "all.pt"
    torch.save(tiny_model.state_dict(), path)
    tags = {"web": {"file": str(path), "quick_gelu": True, "mean": (0.0, 0.0, 0.0)}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, tags)
    encoder = load_encoder(name, "web")
    assert encoder.preprocessing.mean == (0.0, 0.0, 0.0)
    activation = encoder.tower.transformer.resblocks[0].mlp.gelu
    assert isinstance(activation, open_clip.transformer.QuickGELU)
    weights = encoder.tower.state_dict()
    assert torch.equal(weights["proj"], tiny_model.visual.state_dict()["proj"])


def test_failed_download(monkeypatch):
    """The hub is tried once; two lines name the tag and what to do without it."""
    was_offline = []

    def download(library, model, tag):
        was_offline.append(constants.HF_HUB_OFFLINE)
        raise ValueError("gone")

    monkeypatch.setattr(huggingface_hub, "get_session", None)
    monkeypatch.setattr(OpenCLIP, "download", download)
    told = r"'openai' of .*huggingface\.co cannot be reached\.\n.*the path of a file"
    with pytest.raises(OSError, match=told):
        load_encoder("ViT-B-32", "openai")
    monkeypatch.setattr(huggingface_hub, "get_session", MagicMock())
    with pytest.raises(OSError, match=r"'openai' of .*: gone\n"):
        load_encoder("ViT-B-32", "openai")
    assert was_offline == [True, False]
    assert not constants.HF_HUB_OFFLINE


def test_files_take_the_preprocessing_of_their_tags(register_model, monkeypatch):
    """A file is prepared as all known weights of its model are, if they agree."""
    name = register_model("tiny-squashed")
    half = (0.5, 0.5, 0.5)
    details = {"mean": half, "std": half, "resize_mode": "squash"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, {"a": details})
    preprocessing = OpenCLIP().preprocessing(None, name, None)
    assert (preprocessing.mean, preprocessing.crop_mode) == (half, "squash")
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, {"a": details, "b": {}})
    preprocessing = OpenCLIP().preprocessing(None, name, None)
    assert preprocessing.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)


def test_timm_model_from_a_file(photos, tmp_path):
    """A timm model is found by name, and its classifier's weights are left out."""
    network = timm.create_model("test_vit").eval()
    path = tmp_path / "vit.safetensors"
    save_file(network.state_dict(), path)
    features = CLIPFeatures("test_vit", path).transform(photos)
    assert features.shape == (20, 64)
    images = load_encoder("test_vit", path).preprocessing
    with torch.no_grad():
        batch = images.normalize(
            images.resize(torch.from_numpy(photos).permute(0, 3, 1, 2))
        )
        expected = network.forward_head(
            network.forward_features(batch), pre_logits=True
        )
    assert_allclose(features, expected.numpy(), atol=1e-4)


def test_timm_default_weights(monkeypatch):
    """None and True stand for the weights that timm prefers."""
    asked = []
    create = timm.create_model

    def offline(name, *, pretrained, num_classes):
        asked.append((name, pretrained))
        return create(name, num_classes=num_classes)

    monkeypatch.setattr(timm, "create_model", offline)
    load_encoder("test_vit", None)
    load_encoder("test_vit.r160_in1k", True)
    assert asked == [("test_vit.r160_in1k", True)] * 2
