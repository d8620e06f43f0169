"""What a model file may leave out, and how it is found again."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import load_file, save_file
from sklearn.exceptions import NotFittedError

import sklearn_mfavb
from sklearn_mfavb.features import _build
from sklearn_mfavb.inspection import gather_findings
from sklearn_mfavb.persistence import ModelFileError
from sklearn_mfavb.persistence._file import pack, unpack

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning",
    "ignore:Not saved:UserWarning",
)


@pytest.fixture
def weights(tiny_weights, tmp_path):
    """Copy the file of the encoder's weights; tests may move it."""
    path = tmp_path / "weights" / "tower.safetensors"
    path.parent.mkdir()
    path.write_bytes(tiny_weights.read_bytes())
    return path


@pytest.fixture
def with_encoder(make, images, tiny, weights, tmp_path):
    """Fit by features of an encoder, whose cache is in a folder."""
    encoder = tiny(pretrained=weights, cache_dir=tmp_path / "cache")
    return make("MFAVBClustering", encoder=encoder).fit(images)


@pytest.fixture
def without(with_encoder, tmp_path):
    """Return the file of that estimator without the encoder."""
    with_encoder.save(tmp_path / "without", encoder=False)
    return tmp_path / "without"


def sizes(path):
    with open(path, "rb") as file:
        tensors = unpack(file)[1]
    return {name: tensor.dtype for name, tensor in tensors.items()}


def test_encoder_is_found_by_its_file(with_encoder, without, images):
    """It is built when it is needed, and predicts bit for bit the same."""
    assert not any(name.startswith("encoders.") for name in sizes(without))
    loaded = sklearn_mfavb.load(without)
    for X in (images, 255 - images):
        assert_array_equal(loaded.predict_proba(X), with_encoder.predict_proba(X))


def test_features_of_a_cache_need_no_encoder(without, weights, images, tmp_path):
    """A cache is named after loading; images in it are not embedded."""
    weights.unlink()
    loaded = sklearn_mfavb.load(without).set_params(
        encoder__cache_dir=tmp_path / "cache"
    )
    del loaded.features_
    assert_array_equal(loaded.predict(images), loaded.labels_)
    with pytest.raises((OSError, ValueError), match="set_params"):
        loaded.predict(255 - images)


def test_training_images_need_neither(without, weights, images, monkeypatch):
    """What was kept of them serves findings and score."""
    weights.unlink()
    monkeypatch.setattr(_build, "load_encoder", None)
    loaded = sklearn_mfavb.load(without)
    found = gather_findings(loaded, images, with_score=True)
    assert_array_equal(found.labels, loaded.labels_)


def test_encoder_that_is_not_found(with_encoder, without, weights, images):
    """The error names it and what to do; doing so helps."""
    moved = weights.rename(weights.with_name("moved.safetensors"))
    loaded = sklearn_mfavb.load(without)
    told = r"tiny-clip-of-the-tests.*left out.*tower\.safetensors.*encoder__pretrained"
    with pytest.raises((OSError, ValueError), match=told):
        loaded.predict(255 - images)
    loaded.set_params(encoder__pretrained=str(moved))
    expected = with_encoder.predict_proba(255 - images)
    assert_array_equal(loaded.predict_proba(255 - images), expected)


def test_other_weights_are_refused(without, weights, images):
    """A file of the same name and other numbers is no encoder of this model."""
    tensors = load_file(weights)
    name = next(iter(tensors))
    save_file({**tensors, name: tensors[name] + 1e-3}, weights)
    loaded = sklearn_mfavb.load(without)
    with pytest.raises(ValueError, match="other weights"):
        loaded.predict(255 - images)


def test_loaded_without_an_encoder_and_saved_again(without, weights, images, tmp_path):
    """It stays out without being looked for, and comes in if it is found."""
    loaded = sklearn_mfavb.load(without)
    loaded.save(tmp_path / "again", encoder=False)
    assert not hasattr(loaded.model_.encoders[0].transformer, "encoder_")
    loaded.save(tmp_path / "whole")
    weights.unlink()
    whole = sklearn_mfavb.load(tmp_path / "whole")
    assert whole.predict(255 - images).shape == (40,)


def test_a_forged_description_is_refused(without, tmp_path):
    """A fingerprint names the folder of a cache, and must not lead elsewhere."""
    with open(without, "rb") as file:
        config, tensors = unpack(file)
    document = json.loads(config)
    document["model"]["encoders"][0]["state"]["fingerprint"] = "../" * 10 + "ab"
    with open(tmp_path / "forged", "wb") as file:
        pack(file, document, tensors)
    with pytest.raises(ModelFileError, match="does not describe an encoder"):
        sklearn_mfavb.load(tmp_path / "forged")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_keep_their_precision(make, images, tiny, weights, tmp_path, dtype):
    """They are as many bytes in the model as in their file, and as exact."""
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(weights).items()}
    save_file(tensors, weights)
    fitted = make("MFAVBClustering", encoder=tiny(pretrained=weights)).fit(images)
    fitted.save(tmp_path / "model")
    kept = sizes(tmp_path / "model")
    widths = {kept[name] for name in kept if name.startswith("encoders.0.tower.")}
    assert (torch.float32 in widths) == (dtype == torch.float32)
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert_array_equal(
        loaded.predict_proba(255 - images), fitted.predict_proba(255 - images)
    )


def test_embeddings_may_be_left_out(make, images, tmp_path):
    """Predictions stay the same; what compares with training images says what to do."""
    fitted = make().fit(images)
    fitted.save(tmp_path / "all")
    fitted.save(tmp_path / "small", embeddings=False)
    loaded = sklearn_mfavb.load(tmp_path / "all")
    assert_array_equal(loaded.kneighbors()[1], fitted.kneighbors()[1])
    small = sklearn_mfavb.load(tmp_path / "small")
    assert_array_equal(gather_findings(small, images).embedding, fitted.embedding_)
    with pytest.raises(NotFittedError, match="embeddings=True"):
        small.kneighbors(images[:3])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((39, 16), np.float32), np.zeros((40, 3)), np.zeros(40, np.float32)],
)
def test_embeddings_of_other_images_are_refused(make, images, tmp_path, wrong):
    """A model whose embeddings are not those of its labels is not whole."""
    fitted = make().fit(images)
    fitted.embedding_ = wrong
    with pytest.raises(ValueError, match="embedding_"):
        fitted.save(tmp_path / "model")


def test_cache_of_an_encoder_by_name(make, tmp_path):
    """Its parameters can be set although it is a name; others have none."""
    clusterer = make("MFAVBClustering", encoder="tiny-clip-of-the-tests")
    clusterer.set_params(encoder__cache_dir=tmp_path / "cache")
    assert clusterer.encoder.model == "tiny-clip-of-the-tests"
    assert clusterer.encoder.cache_dir == tmp_path / "cache"
    for encoder in (None, "precomputed", ["RN50", "ViT-B-32"]):
        with pytest.raises(ValueError, match="has no parameters to set"):
            make(encoder=encoder).set_params(encoder__cache_dir=tmp_path)
