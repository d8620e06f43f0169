"""Encoders: whose they are, how they travel, and in which type they compute."""

import json
import pickle

import open_clip
import pytest
import timm
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import save_file
from sklearn.base import clone

from sklearn_mfavb.features import CLIPFeatures, _encoder
from sklearn_mfavb.features._libraries import OpenCLIP


def test_every_object_owns_its_encoder(tiny, photos):
    """What happens to the encoder of one object does not happen to that of another."""
    first, second = tiny(), tiny()
    expected = second.fit_transform(photos)
    first.fit(photos).encoder_.to(torch.float64)
    next(first.encoder_.parameters()).data.zero_()
    assert first.encoder_ is not second.encoder_
    assert_array_equal(second.transform(photos), expected)
    assert_array_equal(tiny().transform(photos), expected)


def test_encoders_are_built_once_and_dropped_by_clone(tiny, tiny_weights, photos):
    """An object keeps its encoder while `model` and `pretrained` stay."""
    transformer = tiny().fit(photos)
    encoder = transformer.encoder_
    assert transformer.fit(photos).build_encoder() is encoder
    assert not hasattr(clone(transformer), "encoder_")
    transformer.set_params(pretrained=str(tiny_weights)).transform(photos)
    assert transformer.encoder_ is not encoder


def test_pickles_contain_the_encoder(tiny, photos, tmp_path):
    """An object that travelled needs no file of weights; an unused one is small."""
    weights = tmp_path / "weights.safetensors"
    save_file(tiny().build_encoder().tower.state_dict(), weights)
    transformer = tiny(pretrained=weights)
    assert len(pickle.dumps(transformer)) < 2000
    expected = transformer.transform(photos)
    packed = pickle.dumps(transformer)
    weights.unlink()
    copy = pickle.loads(packed)
    assert_array_equal(copy.transform(photos), expected)
    assert copy.encoder_.fingerprint == transformer.encoder_.fingerprint


@pytest.mark.gpu
def test_pickles_of_gpus_are_loaded_without_one(tiny, photos, monkeypatch):
    """The weights are on the CPU in the pickle, and stay on the GPU here."""
    transformer = tiny(device="cuda").fit(photos)
    copy = pickle.loads(pickle.dumps(transformer))
    assert {x.device.type for x in copy.encoder_.state_dict().values()} == {"cpu"}
    assert copy.encoder_.device.type == "cpu"
    assert transformer.encoder_.device.type == "cuda"


def test_unusual_torch(tiny, photos):
    """Encoders are built and embed in float32, whatever torch's defaults are."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            transformer = tiny()
            features = transformer.fit_transform(photos)
            assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    types = {weight.dtype for weight in transformer.encoder_.state_dict().values()}
    assert types == {torch.float32}
    assert not any(x.is_inference() for x in transformer.encoder_.parameters())
    assert_array_equal(tiny().transform(photos), features)


def test_random_state_is_left_alone(tiny, photos, monkeypatch):
    """Building neither moves torch's random state nor seeds any generator."""

    def fail(*seed):
        raise AssertionError

    for module in (torch, torch.random, torch.cuda):
        monkeypatch.setattr(module, "manual_seed", fail)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
    state = torch.get_rng_state()
    tiny().transform(photos[:2])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("precision", "n_least", "capability", "is_half", "folder"),
    [
        ("auto", 1, "avx512_bf16", True, "auto-bfloat16"),
        ("auto", 1, "amx_bf16", True, "auto-bfloat16"),
        ("auto", 1, None, False, "auto"),
        ("auto", 10**6, "avx512_bf16", False, "auto-bfloat16"),
        ("float32", 1, "avx512_bf16", False, "float32"),
        ("bfloat16", 10**6, None, True, "bfloat16-bfloat16"),
    ],
)
def test_precision(
    tiny, photos, monkeypatch, precision, n_least, capability, is_half, folder, tmp_path
):
    """Half precision is for large encoders on fast CPUs, or for who asks for it."""
    found = {} if capability is None else {capability: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    monkeypatch.setattr(_encoder, "MIN_PARAMETERS", n_least)
    transformer = tiny(precision=precision, device="cpu", cache_dir=tmp_path)
    seen = []
    transformer.build_encoder().tower.register_forward_pre_hook(
        lambda *inputs: seen.append(torch.is_autocast_enabled("cpu"))
    )
    transformer.transform(photos[:2])
    assert seen == [is_half]
    # Features are only shared by runs that choose alike.
    (made,) = tmp_path.iterdir()
    assert made.name.partition("-")[2] == folder


def test_residuals_stay_exact(tiny):
    """In half precision, the sums over open_clip's layers are float32 all the same."""
    tower = tiny().build_encoder().tower
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        tokens = tower.transformer(torch.zeros(1, 5, 16))
        assert tower.conv1(torch.zeros(1, 3, 32, 32)).dtype == torch.float32
        assert tokens.dtype == torch.float32


def test_rebuilt_encoders(tiny, photos, tmp_path, monkeypatch):
    """JSON and tensors have all there is to know, also of models that a user added."""
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), weights)
    transformers = [tiny().fit(photos), CLIPFeatures("test_vit", weights).fit(photos)]
    monkeypatch.setattr(open_clip, "get_model_config", None)
    for transformer in transformers:
        told, tensors = transformer.get_state()
        copy = clone(transformer).set_params(pretrained="nowhere.pt")
        copy.set_state(json.loads(json.dumps(told)), tensors)
        assert_array_equal(copy.transform(photos), transformer.transform(photos))
        assert json.dumps(copy.get_state()[0]) == json.dumps(told)


@pytest.mark.parametrize(("tag", "is_quick"), [(None, False), ("openai", True)])
def test_weights_decide_the_activation(tag, is_quick):
    """OpenAI's weights have their own, under the plain name as well."""
    config = OpenCLIP().describe("ViT-B-32", tag)
    assert config["quick_gelu"] is is_quick
