"""Encoders that are built again from their description."""

import pytest
import torch
from safetensors.torch import save_file

from sklearn_mfavb.features import Architecture, load_encoder, rebuild_encoder
from sklearn_mfavb.features._libraries import OpenCLIP


def assert_rebuilt(encoder):
    """Build an encoder again, give it the weights, and compare features."""
    again = rebuild_encoder(
        encoder.architecture, encoder.preprocessing, encoder.fingerprint
    )
    again.load_state_dict(encoder.state_dict())
    images = torch.rand(2, 3, 40, 30)
    assert torch.equal(again.embed(images), encoder.embed(images))
    assert again.architecture == encoder.architecture
    assert again.fingerprint == encoder.fingerprint


def test_model_of_open_clip(tiny, monkeypatch):
    """The description has all there is to know, also of models that a user added."""
    import open_clip

    encoder = tiny().build_encoder()
    assert encoder.architecture.library == "open_clip"
    monkeypatch.setattr(open_clip, "get_model_config", None)
    assert_rebuilt(encoder)


def test_model_of_timm(tmp_path):
    """So has the name of a model of timm."""
    import timm

    network = timm.create_model("test_vit", num_classes=0)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    encoder = load_encoder("test_vit", tmp_path / "weights.safetensors")
    assert encoder.architecture == Architecture("timm", "test_vit", {})
    assert_rebuilt(encoder)


@pytest.mark.parametrize(("tag", "is_quick"), [(None, False), ("openai", True)])
def test_weights_decide_the_activation(tag, is_quick):
    """OpenAI's weights have their own, under the plain name as well."""
    assert OpenCLIP().describe("ViT-B-32", tag).config["quick_gelu"] is is_quick


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("timm", "hf-hub:some/model", {}),
        Architecture(
            "open_clip",
            "own",
            {
                "embed_dim": 8,
                "vision_cfg": {"timm_model_name": "hf-hub:some/model"},
                "quick_gelu": False,
            },
        ),
    ],
    ids=["timm", "open_clip"],
)
def test_names_are_not_looked_up_on_the_network(tiny, architecture):
    """A name that timm does not have is an error, wherever it points."""
    preprocessing = tiny().build_encoder().preprocessing
    with pytest.raises(ValueError, match="has no model 'hf-hub:some/model'"):
        rebuild_encoder(architecture, preprocessing, "0" * 32)
