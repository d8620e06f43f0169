"""Tests of the arithmetic that networks run in when they predict."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_mfavb import AnchorClustering, MFAVBClustering, SCANClustering
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.views import View


@pytest.fixture
def embed(quick, shapes):
    """Embed images in an arithmetic, by an estimator fitted in float32."""
    images, _ = shapes
    fitted = quick(precision="float32").fit(images)

    def embed(precision):
        return fitted.set_params(precision=precision).transform(images)

    embed.fitted = fitted
    return embed


def test_float32_is_float32(embed, shapes):
    """Nothing is rounded on the way."""
    pixels = torch.from_numpy(shapes[0][:, None] / np.float32(255))
    with torch.no_grad():
        expected = embed.fitted.net_.module_.eval().embed(View(pixels)).numpy()
    np.testing.assert_allclose(embed("float32"), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_float32(embed):
    """Embeddings are float32 whose error is that of eight bits, and not none."""
    exact, rounded = embed("float32"), embed("bfloat16")
    assert rounded.dtype == np.float32
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact - exact.mean(axis=0))
    assert 1e-5 < error < 0.1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "estimator",
    [
        SCANClustering(3, pretext_epochs=1, self_label_epochs=1),
        AnchorClustering(3, pretrain_epochs=1),
        MFAVBClustering(
            3, positives="neighbors", neighbor_space="embedding", neighbor_refresh=1
        ),
    ],
)
def test_fitting_runs_in_one_arithmetic(estimator, shapes, precision, monkeypatch):
    """Between epochs and stages too, where images are embedded to seek or to begin."""
    seen = []

    def embed(network, view):
        seen.append(torch.is_autocast_enabled("cpu"))
        return network.backbone(network.normalize(view))

    monkeypatch.setattr(ClusteringNetwork, "embed", embed)
    settings = {"backbone": "resnet10t", "max_epochs": 2, "random_state": 0}
    estimator = clone(estimator).set_params(precision=precision, **settings)
    estimator.fit(shapes[0][:24])
    assert len(seen) > 1
    assert set(seen) == {precision == "bfloat16"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_predict_repeats_the_labels_of_fit(quick, shapes, precision):
    """Fit and predict label by the same arithmetic."""
    images, _ = shapes
    fitted = quick(precision=precision).fit(images)
    assert_array_equal(fitted.predict(images), fitted.labels_)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_all_that_predicts_runs_in_one_arithmetic(embed, shapes, precision):
    """Labels, probabilities and embeddings come from the same products."""
    images, _ = shapes
    fitted = embed.fitted.set_params(precision=precision)
    seen = []
    fitted.net_.module_.backbone.register_forward_hook(
        lambda *call: seen.append(torch.is_autocast_enabled("cpu"))
    )
    for method in (fitted.predict, fitted.predict_proba, fitted.transform):
        method(images)
    assert set(seen) == {precision == "bfloat16"}
