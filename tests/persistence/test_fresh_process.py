"""A model that is loaded elsewhere says the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)

PROGRAM = """
import sys
import numpy as np, torch
import sklearn_mfavb

torch.set_num_threads(1)
said = {}
images = np.load("images.npy")
for name in sys.argv[1:]:
    model = sklearn_mfavb.load(name)
    said[name + "_labels"] = model.predict(images)
    said[name + "_probabilities"] = model.predict_proba(images)
    said[name + "_embeddings"] = model.transform(images)
np.savez("said.npz", **said)
"""


def test_fresh_process(make, images, tiny_weights, tmp_path):
    """Another process that knows of nothing but the files predicts bit for bit.

    Neither the file of weights is there, nor has anyone told open_clip of the model.
    """
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    models = {
        "pixels": make("MFAVBClustering", n_blocks=1),
        "encoder": make(
            "MFAVBClustering", clip="tiny-clip-of-the-tests", clip_pretrained=weights
        ),
        "timm": make("SCANClustering", backbone="test_vit", image_size=16),
    }
    for name, model in models.items():
        model.fit(images).save(tmp_path / name)
    weights.unlink()
    np.save(tmp_path / "images.npy", images)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *models],
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    said = np.load(tmp_path / "said.npz")
    for name, model in models.items():
        assert_array_equal(said[f"{name}_labels"], model.labels_)
        assert_array_equal(said[f"{name}_probabilities"], model.predict_proba(images))
        assert_array_equal(said[f"{name}_embeddings"], model.transform(images))
