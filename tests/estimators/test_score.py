"""The label-free score."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images, make_shape_images
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors, pixel_features

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def test_score_prefers_the_better_clustering(fitted, shapes):
    """The score is label-free, reproducible, and higher for a trained network."""
    images, _ = shapes
    score = fitted.score(images)
    assert score == fitted.score(images, y=np.zeros(90))
    assert score <= 1
    untrained = MFAVBClustering(
        3, embed_dim=16, n_heads=2, max_epochs=1, learning_rate=1e-12, random_state=0
    ).fit(images)
    trained = MFAVBClustering(3, max_epochs=20, batch_size=32, random_state=0)
    assert trained.fit(images).score(images) > untrained.score(images)


@pytest.mark.parametrize("n_samples", [359, 1797])
def test_agreement_compares_numbers_of_clusters(n_samples):
    """On the digits, k-means with ten clusters beats fewer and more; chance is 0."""
    import torch

    images, digits = load_digit_images()
    images, digits = images[:n_samples], digits[:n_samples]
    rows = pixel_features(torch.from_numpy(images)[:, None])
    neighbors = nearest_neighbors(rows, 10)
    agreement = {
        n: neighbor_agreement(
            KMeans(n, n_init=3, random_state=0).fit_predict(rows.numpy()), neighbors
        )
        for n in (2, 5, 10, 50)
    }
    assert max(agreement, key=agreement.get) == 10
    assert neighbor_agreement(digits, neighbors) > agreement[10]
    chance = np.random.default_rng(1).integers(0, 30, n_samples)
    assert abs(neighbor_agreement(chance, neighbors)) < 0.05
    assert neighbor_agreement(np.zeros(n_samples), neighbors) == 0


def test_score_space_does_not_depend_on_the_settings(quick, monkeypatch):
    """The same labels score the same, whatever size the network sees."""
    images, kinds = make_shape_images(40, n_clusters=3, image_size=20, random_state=0)
    monkeypatch.setattr(MFAVBClustering, "_label", lambda self, source, features: kinds)
    scores = {
        quick(max_epochs=1, image_size=size).fit(images).score(images)
        for size in (8, 20)
    }
    assert len(scores) == 1


@pytest.mark.parametrize("n_samples", [1, 2])
def test_score_of_very_few_images(fitted, shapes, n_samples):
    """One or two images have a finite score."""
    images, _ = shapes
    assert np.isfinite(fitted.score(images[:n_samples]))
