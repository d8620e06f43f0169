"""Parameters, attributes and abilities that come back with a loaded estimator."""

import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors import safe_open

import sklearn_mfavb

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.mark.parametrize(
    "parameters",
    [
        {"image_size": (8, 9), "pixel_range": (0, 255.0), "image_shape": None},
        {"image_size": [8, 8], "learning_rate": np.float32(0.003)},
        {"random_state": np.int64(3), "warm_start": np.bool_(True), "callbacks": []},
        {"device": torch.device("cpu"), "weight_decay": 0, "balance_weight": 0.1},
        {"clip_pretrained": Path("weights", "ünïcode.pt")},
    ],
    ids=str,
)
def test_parameters_keep_value_and_type(make, images, tmp_path, parameters):
    """Tuples stay tuples, lists lists, paths paths; numbers are equal."""
    fitted = make(**parameters).fit(images)
    fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert loaded.get_params() == fitted.get_params()
    for name, value in parameters.items():
        if not isinstance(value, np.generic):
            assert type(getattr(loaded, name)) is type(value)


def test_loaded_estimators_can_be_fitted(make, images, tmp_path):
    """Fitting again, or on from what was learned, gives what it did before saving."""
    fitted = make().fit(images)
    fitted.save(tmp_path / "model")
    again = sklearn_mfavb.load(tmp_path / "model").fit(images)
    assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    onwards = sklearn_mfavb.load(tmp_path / "model").set_params(warm_start=True)
    onwards.fit(images)
    fitted.set_params(warm_start=True).fit(images)
    assert onwards.n_iter_ == 2
    assert_array_equal(onwards.predict_proba(images), fitted.predict_proba(images))


def test_momentum_goes_on(make, images, backbone, tmp_path):
    """The slow copy of a momentum network is saved as well."""
    fitted = make("CueCoClustering", backbone=backbone, momentum=0.5).fit(images)
    fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model", backbone=backbone)
    for estimator in (fitted, loaded):
        estimator.set_params(warm_start=True).fit(images)
    assert_array_equal(loaded.transform(images), fitted.transform(images))


@pytest.mark.parametrize("copy", ["pickle", "joblib"])
def test_pickled_copies_can_be_saved_and_loaded_ones_pickled(
    make, images, tmp_path, copy
):
    """Neither way of saving stands in the way of the other."""

    def through_pickle(estimator):
        if copy == "pickle":
            return pickle.loads(pickle.dumps(estimator))
        joblib.dump(estimator, tmp_path / "model.joblib")
        return joblib.load(tmp_path / "model.joblib", mmap_mode="r")

    fitted = make("MFAVBClustering", assignment="head").fit(images)
    through_pickle(fitted).save(tmp_path / "model")
    loaded = through_pickle(sklearn_mfavb.load(tmp_path / "model"))
    assert_array_equal(loaded.transform(images), fitted.transform(images))
    assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))


def test_column_names_and_output_format(make, images, assert_same, tmp_path):
    """Names of columns are checked, and embeddings are dataframes, as before."""
    frame = pd.DataFrame(images.reshape(40, -1)).add_prefix("pixel")
    fitted = make().set_output(transform="pandas").fit(frame)
    fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model")
    assert_same(loaded, fitted, frame)
    assert isinstance(loaded.transform(frame), pd.DataFrame)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.add_suffix("x"))


def test_files_with_odd_names(make, images, assert_same, tmp_path):
    """Paths come back byte for byte, also those that are no text; so do the skipped."""
    folder = tmp_path / "bilder"
    folder.mkdir()
    for index, image in enumerate(images):
        name = f"{index:02} ünï ☃\n".encode() + b"\xff.png"
        with open(bytes(folder) + b"/" + name, "wb") as file:
            Image.fromarray(image).save(file, format="png")
    (folder / "99.png").write_bytes(b"no image")
    fitted = make(on_error="skip").fit(folder)
    assert list(fitted.skipped_) == [40]
    fitted.save(tmp_path / "mödel \udcff")
    assert_same(sklearn_mfavb.load(tmp_path / "mödel \udcff"), fitted, folder)


def test_header_does_not_grow_with_the_images(make, images, tmp_path):
    """Lists of a million files find place; a safetensors header has 100 MB at most."""
    fitted = make().fit(images)
    headers = []
    for n_files in (1, 9999):
        fitted.paths_ = [f"photos/{index}.jpg" for index in range(n_files)]
        fitted.save(tmp_path / "model")
        with safe_open(tmp_path / "model", framework="numpy") as file:
            headers.append(file.metadata()["document"])
        assert sklearn_mfavb.load(tmp_path / "model").paths_ == fitted.paths_
    assert headers[0] == headers[1]


def test_device_is_chosen_when_loading(make, images, tmp_path):
    """A model of a GPU loads without one; the parameter stays for the next fit."""
    fitted = make().fit(images).set_params(device="cuda:3")
    fitted.save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model", device="cpu")
    assert loaded.device == "cuda:3"
    assert torch.device(loaded.net_.device) == torch.device("cpu")
    assert_array_equal(loaded.predict(images), fitted.labels_)
    with pytest.raises(ValueError, match="device='nowhere' cannot be used here"):
        sklearn_mfavb.load(tmp_path / "model", device="nowhere")


def test_random_state_of_the_user_is_left_alone(fitted, tmp_path):
    """Neither saving nor loading draws from torch's generator."""
    before = torch.get_rng_state()
    fitted.save(tmp_path / "model")
    sklearn_mfavb.load(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)


def test_file_is_what_the_documentation_says(saved, fitted):
    """It is a safetensors file with a JSON document, to be read by others too."""
    with safe_open(saved, framework="numpy") as file:
        metadata = file.metadata()
        labels = file.get_tensor("learned.labels_")
        record = json.loads(bytes(file.get_tensor("record")))
    document = json.loads(metadata["document"])
    assert metadata["format"] == "sklearn_mfavb"
    assert metadata["format_version"] == "1"
    assert document["estimator"] == "VTCCClustering"
    assert document["parameters"]["n_clusters"] == 3
    assert torch.__version__.startswith(document["versions"]["torch"])
    assert_array_equal(labels, fitted.labels_)
    assert record["history_"] == fitted.history_


@pytest.mark.gpu
def test_models_move_between_devices(make, images, tmp_path):
    """A model of a GPU is the same there, and nearly so on the CPU; and back."""
    fitted = make(device="cuda", precision="float32").fit(images)
    fitted.save(tmp_path / "model")
    expected = fitted.predict_proba(images)
    there = sklearn_mfavb.load(tmp_path / "model")
    assert next(there.net_.module_.parameters()).is_cuda
    assert_array_equal(there.predict_proba(images), expected)
    here = sklearn_mfavb.load(tmp_path / "model", device="cpu")
    assert_allclose(here.predict_proba(images), expected, atol=1e-3)
    here.save(tmp_path / "again")
    back = sklearn_mfavb.load(tmp_path / "again", device="cuda")
    assert_array_equal(back.predict_proba(images), expected)
