"""Words in the space of images: the same features as open_clip's, once computed."""

import json

import numpy as np
import open_clip
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import save_file
from sklearn.preprocessing import StandardScaler

from sklearn_mfavb.features import CLIPFeatures, embed_words
from sklearn_mfavb.features._libraries import OpenCLIP
from sklearn_mfavb.features._text import TEMPLATES

NAME = "tiny-clip-with-text"
WORDS = ["dog", "fire truck", "{}", "Äpfel & Birnen!"]


@pytest.fixture
def with_text(tiny_text_model, tmp_path):
    """Make a transformer whose weights have a text tower."""

    def make(**parameters):
        path = tmp_path / "whole.safetensors"
        save_file(tiny_text_model.state_dict(), path)
        settings = {"precision": "float32", "device": "cpu", **parameters}
        return CLIPFeatures(NAME, path, **settings)

    return make


@pytest.fixture
def count_built(monkeypatch):
    """Count how often a text tower is built."""
    built, build = [], OpenCLIP.download_whole
    monkeypatch.setattr(
        OpenCLIP, "download_whole", lambda *told: built.append(told) or build(*told)
    )
    return built


def by_hand(model, word):
    """Embed a word prompt by prompt, with the whole context."""
    tokenizer, rows = open_clip.get_tokenizer(NAME), []
    for template in TEMPLATES:
        with torch.no_grad():
            row = model.encode_text(tokenizer([template.format(word)]))[0].numpy()
        rows.append(row / np.linalg.norm(row))
    mean = np.mean(rows, axis=0)
    return mean / np.linalg.norm(mean)


def test_features_are_means_of_prompts(with_text, tiny_text_model, caplog):
    """Leaving out the padding changes nothing; words are put in as they are."""
    rows = embed_words(with_text(), WORDS)
    assert not caplog.records  # such as open_clip's, of random weights
    assert rows.dtype == np.float32
    expected = [by_hand(tiny_text_model, word) for word in WORDS]
    assert_allclose(rows, expected, atol=1e-5)


def test_words_longer_than_the_context_are_cut(with_text, tiny_text_model):
    """The tokenizer cuts prompts, as it does for others."""
    word = "very " * 40 + "long"
    rows = embed_words(with_text(), ["dog", word])
    assert_allclose(rows[1], by_hand(tiny_text_model, word), atol=1e-5)


def test_features_are_kept(with_text, tmp_path, count_built):
    """Words are embedded once in a folder; new ones are added; others are as before."""
    cached = with_text(cache_dir=tmp_path / "cache")
    first = embed_words(cached, WORDS[:2])
    assert_array_equal(embed_words(cached, WORDS[1::-1]), first[::-1])
    assert len(count_built) == 1
    assert_allclose(embed_words(cached, WORDS), embed_words(with_text(), WORDS), 1e-5)
    assert len(count_built) == 3


def test_images_are_not_mistaken_for_words(with_text, tmp_path, photos):
    """The folder serves images too."""
    cached = with_text(cache_dir=tmp_path / "cache")
    embed_words(cached, WORDS)
    assert_array_equal(cached.transform(photos), with_text().transform(photos))
    assert_array_equal(cached.transform(photos), with_text().transform(photos))


def test_models_with_a_text_module_of_their_own(tiny_text_model, tmp_path):
    """Those of open_clip's other class keep their context, and give the same."""
    config = open_clip.get_model_config(NAME) | {"custom_text": True}
    path = tmp_path / "tiny-clip-with-text-module.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    model = open_clip.create_model(path.stem, pretrained=None)
    weights = tmp_path / "whole.safetensors"
    save_file(model.state_dict(), weights)
    encoder = CLIPFeatures(path.stem, weights, precision="float32", device="cpu")
    expected = [by_hand(model.eval(), word) for word in WORDS]
    assert_allclose(embed_words(encoder, WORDS), expected, atol=1e-5)


def test_encoders_without_a_text_tower(tiny):
    """A file of an image tower alone, a model of timm, other transformers, none."""
    for encoder in (tiny(), CLIPFeatures("resnet18"), StandardScaler(), None):
        assert embed_words(encoder, WORDS) is None


def test_weights_of_another_text_tower_are_refused(with_text, tiny_model, tmp_path):
    """They are named, in an OSError."""
    path = tmp_path / "other.safetensors"
    save_file(tiny_model.state_dict(), path)
    with pytest.raises(OSError, match=r"(?s)other.safetensors.*size mismatch"):
        embed_words(with_text().set_params(pretrained=path), WORDS)


def test_text_tower_that_cannot_be_downloaded(monkeypatch):
    """The weights are named, in an OSError."""
    monkeypatch.setattr("open_clip.create_model", None)
    with pytest.raises(OSError, match="pretrained='openai' of model='ViT-B-32' cannot"):
        embed_words(CLIPFeatures(), WORDS)


def test_tokenizer_whose_library_is_missing(with_text, monkeypatch):
    """What to install is told, in an OSError."""

    def fail(model):
        raise ModuleNotFoundError("No module named 'transformers'")

    monkeypatch.setattr("open_clip.get_tokenizer", fail)
    with pytest.raises(OSError, match=f"{NAME}.*pip install transformers"):
        embed_words(with_text(), WORDS)


def test_global_random_state_is_untouched(with_text):
    before = torch.get_rng_state()
    embed_words(with_text(), WORDS)
    assert torch.equal(torch.get_rng_state(), before)
