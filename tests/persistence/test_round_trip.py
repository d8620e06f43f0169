"""Estimators of every kind predict the same after saving and loading."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors.torch import load
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

import sklearn_mfavb
from sklearn_mfavb import (
    Augmentation,
    ContrastiveTerms,
    Neighbors,
    Reading,
    Training,
    ViT,
    VTCCClustering,
)
from sklearn_mfavb.persistence._file import unpack

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)
CLASSES = [
    "AnchorClustering",
    "ConCURLClustering",
    "ContrastiveClustering",
    "CueCoClustering",
    "IMCSwAVClustering",
    "MFAVBClustering",
    "SCANClustering",
    "VTCCClustering",
]


@pytest.mark.parametrize("assignment", ["mixture", "kmeans", "head"])
@pytest.mark.parametrize("name", CLASSES)
def test_pixels(make, images, backbone, assert_kept, name, assignment):
    """Every class and assignment predicts the same bit for bit, and keeps all."""
    without_heads = ("ConCURLClustering", "CueCoClustering")
    if assignment == "head" and name in without_heads:
        pytest.skip("the class has no such assignment")
    fitted = make(name, assignment=assignment, backbone=backbone).fit(images)
    assert_kept(fitted, images, backbone=backbone)


@pytest.mark.parametrize(
    "assignment",
    [
        KMeans(3, n_init=2),
        MiniBatchKMeans(3, n_init=2, random_state=1),
        GaussianMixture(3, reg_covar=1e-3),
        GaussianMixture(3, covariance_type="tied", reg_covar=1e-3),
        BayesianGaussianMixture(n_components=3, reg_covar=1e-3),
        BayesianGaussianMixture(
            n_components=3,
            covariance_type="diag",
            weight_concentration_prior_type="dirichlet_distribution",
        ),
    ],
    ids=str,
)
def test_estimators_of_scikit_learn(make, images, assert_kept, assignment):
    """Known clusterers and mixtures come with what they learned."""
    assert_kept(make(assignment=assignment).fit(images), images)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("use_pixels", [False, True])
def test_features_of_the_user(
    make, images, features, backbone, assert_kept, name, use_pixels
):
    """So do estimators that are given features, with pixels and without."""
    fitted = make(
        name, encoder="precomputed", use_pixels=use_pixels, backbone=backbone
    ).fit(images, features=features)
    assert_kept(fitted, images, backbone=backbone, features=features)


def test_features_without_images(make, features, assert_kept):
    """A table of features, named ones, and those of two encoders."""
    assert_kept(make(encoder="precomputed").fit(features), features)
    both = {"one": features, "ünï": features[:, :5]}
    named = make(encoder="precomputed").fit(None, features=both)
    assert_kept(named, None, features=both)


def test_encoders_come_with_the_model(make, images, tiny, tiny_weights, tmp_path):
    """A model carries all its encoders, and the file of their weights may go."""
    weights = tmp_path / "tower.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    first = tiny(pretrained=str(weights))
    encoder = [first, clone(first).set_params(batch_size=7, reading=Reading())]
    fitted = make(encoder=encoder, use_pixels=True).fit(images)
    fitted.save(tmp_path / "model")
    weights.unlink()
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert [repr(each) for each in loaded.encoder] == list(map(repr, encoder))
    for X in (images, 255 - images):
        assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_encoder_by_name(make, images, tiny, assert_kept, reload, tmp_path):
    """Its parameter stays a name; places where it wrote are left out."""
    fitted = make("SCANClustering", encoder=tiny(cache_dir=tmp_path / "cache"))
    fitted.fit(images)
    with pytest.warns(UserWarning, match="encoder__cache_dir"):
        loaded = reload(fitted)
    assert loaded.encoder.cache_dir is None
    assert loaded.model_.encoders[0].transformer.cache_dir is None
    assert str(tmp_path / "cache").encode() not in (tmp_path / "model").read_bytes()
    assert_kept(fitted.set_params(encoder="tiny-clip-of-the-tests"), images)


def test_network_of_timm(make, images, assert_kept):
    """A network that timm has is built again by its name."""
    sizes = {"backbone": "test_vit", "image_size": 16}
    assert_kept(make("ContrastiveClustering", **sizes).fit(images), images)


def test_saving_what_was_loaded_changes_nothing(make, images, tiny, tmp_path):
    """The second file says what the first says, tensor by tensor."""
    encoder = tiny(device="cpu")
    fitted = make(encoder=encoder, assignment=KMeans(3, n_init=1)).fit(images)
    fitted.save(tmp_path / "first")
    sklearn_mfavb.load(tmp_path / "first", device="cpu").save(tmp_path / "second")
    contents = [(tmp_path / name).read_bytes() for name in ("first", "second")]
    first, second = (unpack(io.BytesIO(content)) for content in contents)
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert all(torch.equal(value, second[1][name]) for name, value in first[1].items())


@pytest.mark.parametrize(
    "parameters",
    [
        {"image_size": (8, 9), "reading": Reading(pixel_range=(0, 255.0))},
        {"image_size": [8, 8], "training": Training(learning_rate=np.float32(0.003))},
        {"random_state": np.int64(3), "training": Training(warm_start=np.bool_(True))},
        {"device": "cpu", "balance": 0, "positives": Neighbors(3)},
        {"objective": ContrastiveTerms(cluster_temperature=0.7), "positives": "auto"},
        {"augmentation": Augmentation("aerial", features="none")},
        {"encoder": None, "reading": Reading(image_shape=(8, 8), resize="pad")},
    ],
    ids=str,
)
def test_parameters_keep_value_and_type(make, images, reload, parameters):
    """Tuples stay tuples, lists lists, groups groups; numbers are equal."""
    loaded = reload(make(**parameters).fit(images))
    assert str(loaded.get_params()) == str(make(**parameters).get_params()).replace(
        "np.float32(0.003)", str(float(np.float32(0.003)))
    ).replace("np.int64(3)", "3").replace("np.True_", "True")


def test_paths_and_numbers_beyond_json(make, images, reload):
    """Paths and devices become text, and infinity stays what it is."""
    fitted = make(encoder=None, device=torch.device("cpu")).fit(images)
    fitted.history_[0]["loss"] = float("inf")
    fitted.encoder = sklearn_mfavb.CLIPFeatures("RN50", Path("weights", "ünïcode.pt"))
    loaded = reload(fitted)
    assert loaded.encoder.pretrained == str(Path("weights", "ünïcode.pt"))
    assert loaded.device == "cpu"
    assert loaded.history_ == fitted.history_


class OwnClustering(VTCCClustering):
    """A user's class."""

    def __init__(self, n_clusters=8, *, width=16, random_state=None):
        backbone = ViT(embed_dim=width, n_heads=2)
        super().__init__(n_clusters, backbone=backbone, max_epochs=1)
        self.width = width
        self.random_state = random_state


def test_class_of_a_user(images, assert_kept):
    """It is found by its name where it is defined."""
    assert_kept(OwnClustering(3, random_state=0).fit(images), images)


PROGRAM = """
import pickle, sys
import numpy as np, torch
import sklearn_mfavb

pickle.load = pickle.loads = torch.load = None
torch.set_num_threads(1)
images = np.load("images.npy", allow_pickle=False)
models = {name: sklearn_mfavb.load(name) for name in sys.argv[1:]}
said = {name: model.predict_proba(images) for name, model in models.items()}
np.savez("said.npz", **said)
"""


def test_fresh_process(make, images, tiny, tmp_path):
    """Another process, which knows of nothing but the files, predicts bit for bit.

    Nobody has told it of the encoder's model, and it reads no pickle.
    """
    models = {
        "pixels": make("MFAVBClustering", n_blocks=1),
        "encoder": make("MFAVBClustering", encoder=tiny()),
        "timm": make("SCANClustering", backbone="test_vit", image_size=16),
        "mixture": make(assignment=GaussianMixture(3, reg_covar=1e-3)),
    }
    for name, model in models.items():
        model.fit(images).save(tmp_path / name)
    np.save(tmp_path / "images.npy", images)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", PROGRAM, *models]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    said = np.load(tmp_path / "said.npz")
    for name, model in models.items():
        assert_array_equal(said[name], model.predict_proba(images))


def test_whatever_torch_is_set_to(make, images, tiny, reload):
    """Saving and loading are the same in inference mode and with another type."""
    fitted = make(encoder=tiny(), use_pixels=True).fit(images)
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            loaded = reload(fitted)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    weights = list(loaded.model_.network.parameters())
    assert not any(weight.is_inference() for weight in weights)
    assert {weight.dtype for weight in weights} == {torch.float32}
    loaded.fit(images)


def test_loaded_estimators_can_be_fitted(make, images, reload):
    """Fitting again, or on from what was learned, gives what it did before saving."""
    sizes = {"backbone": "test_vit", "image_size": 16}
    fitted = make("CueCoClustering", **sizes).fit(images)
    again, onwards = reload(fitted).fit(images), reload(fitted)
    assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    # The slow copy of the network goes on as well.
    for estimator in (onwards, fitted):
        estimator.set_params(training__warm_start=True).fit(images)
    assert onwards.n_iter_ == 2
    assert_array_equal(onwards.predict_proba(images), fitted.predict_proba(images))


def test_pickled_copies_can_be_saved_and_loaded_ones_pickled(make, images, reload):
    """Neither way of saving stands in the way of the other."""
    fitted = make("MFAVBClustering", assignment="head").fit(images)
    loaded = pickle.loads(pickle.dumps(reload(pickle.loads(pickle.dumps(fitted)))))
    assert_array_equal(loaded.transform(images), fitted.transform(images))
    assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))


def test_column_names_and_output_format(make, images, assert_kept, reload):
    """Names of columns are checked, and embeddings are dataframes, as before."""
    frame = pd.DataFrame(images.reshape(40, -1)).add_prefix("pixel")
    fitted = make().set_output(transform="pandas").fit(frame)
    assert_kept(fitted, frame)
    loaded = reload(fitted)
    assert isinstance(loaded.transform(frame), pd.DataFrame)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.add_suffix("x"))


def test_files_with_odd_names(make, images, assert_kept, tmp_path):
    """Paths come back byte for byte, also those that are no text; so do the skipped."""
    folder = tmp_path / "bilder"
    folder.mkdir()
    for index, image in enumerate(images):
        name = f"{index:02} ünï ☃\n".encode() + b"\xff.png"
        with open(bytes(folder) + b"/" + name, "wb") as file:
            Image.fromarray(image).save(file, format="png")
    (folder / "99.png").write_bytes(b"no image")
    fitted = make(reading=Reading(on_error="skip")).fit(folder)
    assert list(fitted.skipped_) == [40]
    assert_kept(fitted, folder)
    fitted.save(tmp_path / "mödel \udcff")
    assert sklearn_mfavb.load(tmp_path / "mödel \udcff").paths_ == fitted.paths_


def test_device_is_chosen_when_loading(make, images, tiny, reload):
    """A model of a GPU loads without one; the parameter stays for the next fit."""
    fitted = make(encoder=tiny()).fit(images).set_params(device="cuda:3")
    loaded = reload(fitted, device="cpu")
    assert loaded.device == "cuda:3"
    assert loaded.model_.device == torch.device("cpu")
    assert_array_equal(loaded.predict(images), fitted.labels_)
    with pytest.raises(ValueError, match="device='nowhere' cannot be used here"):
        reload(fitted, device="nowhere")


def test_file_is_what_the_documentation_says(saved, fitted):
    """It is an archive of JSON and safetensors, to be read by others too."""
    with zipfile.ZipFile(saved) as archive:
        config = json.loads(archive.read("config.json"))
        tensors = load(archive.read("weights.safetensors"))
    assert config["format_version"] == 1
    assert config["class"] == "VTCCClustering"
    assert config["params"]["n_clusters"] == 3
    assert torch.__version__.startswith(config["versions"]["torch"])
    assert config["learned"]["history_"] == fitted.history_
    assert_array_equal(tensors["learned.labels_"], fitted.labels_)


@pytest.mark.gpu
def test_models_move_between_devices(make, images, tiny, tmp_path):
    """A model of a GPU is the same there, and nearly so on the CPU; and back."""
    training = Training(precision="float32")
    fitted = make(device="cuda", encoder=tiny(), training=training).fit(images)
    fitted.save(tmp_path / "model")
    expected = fitted.predict_proba(images)
    there = sklearn_mfavb.load(tmp_path / "model")
    assert there.model_.device.type == "cuda"
    assert_array_equal(there.predict_proba(images), expected)
    here = sklearn_mfavb.load(tmp_path / "model", device="cpu")
    assert_allclose(here.predict_proba(images), expected, atol=1e-3)
    here.save(tmp_path / "again")
    back = sklearn_mfavb.load(tmp_path / "again", device="cuda")
    assert_array_equal(back.predict_proba(images), expected)
