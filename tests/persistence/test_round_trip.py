"""Estimators of every kind predict the same after saving and loading."""

import pytest
import torch
from numpy.testing import assert_array_equal

import sklearn_mfavb
from sklearn_mfavb.persistence._file import unpack

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)
CLASSES = [
    "AnchorClustering",
    "ContrastiveClustering",
    "CueCoClustering",
    "MFAVBClustering",
    "SCANClustering",
    "VTCCClustering",
]


@pytest.mark.parametrize("assignment", ["mixture", "kmeans", "head"])
@pytest.mark.parametrize("name", CLASSES)
def test_pixels(make, images, backbone, assert_same, tmp_path, name, assignment):
    """Every class and readout predicts the same bit for bit, and keeps all it had."""
    if (name, assignment) == ("CueCoClustering", "head"):
        pytest.skip("the class has no such readout")
    is_small = name in ("MFAVBClustering", "VTCCClustering")
    function = None if is_small else backbone
    fitted = make(name, assignment=assignment, backbone=function or "auto")
    fitted.fit(images).save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model", backbone=function)
    assert_same(loaded, fitted, images)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("image_tokens", ["auto", True])
def test_features_of_the_user(
    make, images, features, backbone, assert_same, tmp_path, name, image_tokens
):
    """So do estimators that are given features, with pixels and without."""
    function = backbone if image_tokens is True else None
    fitted = make(
        name,
        clip="precomputed",
        image_tokens=image_tokens,
        backbone=function or "auto",
        assignment="kmeans",
    ).fit(images, clip_features=features)
    fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model", backbone=function)
    assert_same(loaded, fitted, images, clip_features=features)


@pytest.mark.parametrize("name", CLASSES)
def test_encoder_comes_with_the_model(
    make, images, tiny_weights, assert_same, tmp_path, name
):
    """A model that names an encoder needs the file of its weights no more."""
    weights = tmp_path / "tower.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    fitted = make(name, clip="tiny-clip-of-the-tests", clip_pretrained=weights)
    fitted.fit(images).save(tmp_path / "model")
    weights.unlink()
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert_same(loaded, fitted, images)
    assert_array_equal(loaded.predict(255 - images), fitted.predict(255 - images))


def test_transformer_as_a_parameter(make, images, tiny, tmp_path):
    """A `CLIPFeatures` comes back with its parameters, but for the folder it uses."""
    clip = tiny(cache_dir=tmp_path / "cache", batch_size=7)
    fitted = make(clip=clip).fit(images)
    with pytest.warns(UserWarning, match="clip__cache_dir"):
        fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    assert loaded.clip.get_params() == {**clip.get_params(), "cache_dir": None}
    assert loaded.clip_extractor_.cache_dir is None


def test_network_of_timm(make, images, assert_same, tmp_path):
    """A network that timm has is built again by its name."""
    fitted = make("ContrastiveClustering", backbone="test_vit", image_size=16)
    fitted.fit(images).save(tmp_path / "model")
    assert_same(sklearn_mfavb.load(tmp_path / "model"), fitted, images)


def test_saving_what_was_loaded_changes_nothing(make, images, tiny, tmp_path):
    """The second file says what the first says, tensor by tensor."""
    make(clip=tiny()).fit(images).save(tmp_path / "first")
    sklearn_mfavb.load(tmp_path / "first").save(tmp_path / "second")
    first, second = unpack(tmp_path / "first"), unpack(tmp_path / "second")
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert all(
        torch.equal(tensor, second[1][name]) for name, tensor in first[1].items()
    )
