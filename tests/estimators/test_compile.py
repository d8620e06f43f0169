"""Tests of training on compiled code."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from sklearn_mfavb import ContrastiveClustering
from sklearn_mfavb.backbones import Backbone

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler"
)


class Watched(Backbone):
    """One linear layer that tells how it ran."""

    def __init__(self, seen, image_size, n_channels):
        super().__init__()
        self.seen = seen
        self.embed_dim = 8
        self.layer = nn.Linear(image_size[0] * image_size[1] * n_channels, 8)

    def forward(self, view):
        self.seen.append((self.training, torch.compiler.is_compiling()))
        return self.layer(view.images.flatten(1))


def make_watched(seen):
    """Return a parameter `backbone` that writes to a list."""
    return lambda image_size, n_channels, **kwargs: Watched(
        seen, image_size, n_channels
    )


@needs_compiler
def test_training_is_compiled_and_prediction_is_not(shapes):
    """Batches in training pass compiled code, images to be labelled do not."""
    seen = []
    ContrastiveClustering(
        3, backbone=make_watched(seen), max_epochs=2, compile=True, random_state=0
    ).fit(shapes[0])
    assert set(seen) == {(True, True), (False, False)}


@needs_compiler
def test_compiled_training_is_the_same(quick, shapes):
    """In float32, losses and embeddings are those of training as it is; it replays."""
    images, _ = shapes
    plain = quick(precision="float32").fit(images)
    compiled = quick(precision="float32", compile=True).fit(images)
    losses = [[row["loss"] for row in fitted.history_] for fitted in (plain, compiled)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    again = quick(precision="float32", compile=True).fit(images)
    assert_array_equal(again.transform(images), compiled.transform(images))


def test_missing_compiler_is_told_before_images_are_read(tmp_path):
    """The error names the parameter, and comes first."""
    program = (
        "from sklearn_mfavb import VTCCClustering\n"
        "VTCCClustering(3, compile=True, device='cpu').fit('no such folder')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "CXX": str(tmp_path / "none"),
            "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "RuntimeError: compile=True needs" in done.stderr
    assert "set compile=False" in done.stderr
