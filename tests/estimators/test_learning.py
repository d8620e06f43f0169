"""Every method learns: better than k-means on pixels, no worse on features.

Scores are means over seeds; a single fit may end in a poor optimum.
"""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sklearn_mfavb.datasets import load_digit_images, make_shape_images
from sklearn_mfavb.metrics import clustering_accuracy


def mean_accuracy(make_clusterer, X, kinds, n_seeds):
    fits = (make_clusterer(seed).fit(X) for seed in range(n_seeds))
    return np.mean([clustering_accuracy(kinds, each.labels_) for each in fits])


def kmeans_accuracy(X, kinds, n_seeds):
    rows, n_clusters = X.reshape(len(X), -1), len(np.unique(kinds))

    def make(seed):
        return KMeans(n_clusters, n_init=10, random_state=seed)

    return mean_accuracy(make, rows, kinds, n_seeds)


def draw_features(n_samples, n_clusters, distance):
    rng, kinds = np.random.default_rng(0), np.arange(n_samples) % n_clusters
    centers = distance * np.eye(n_clusters, 12)
    return centers[kinds] + rng.normal(size=(n_samples, 12)), kinds


def test_no_default_is_worse_than_kmeans_on_features(estimator_class):
    """Where k-means finds the classes, every method does, and soon."""
    features, kinds = draw_features(90, 3, distance=4)

    def make(seed):
        return estimator_class(
            3, encoder="precomputed", max_epochs=15, random_state=seed
        )

    reference = kmeans_accuracy(features, kinds, n_seeds=5)
    assert reference > 0.95
    assert mean_accuracy(make, features, kinds, n_seeds=5) > reference - 0.03


@pytest.mark.slow
def test_no_default_is_worse_than_kmeans_on_overlapping_features(estimator_class):
    """At the number of epochs that is the default, and classes that overlap."""
    features, kinds = draw_features(150, 3, distance=3)

    def make(seed):
        return estimator_class(3, encoder="precomputed", random_state=seed)

    reference = kmeans_accuracy(features, kinds, n_seeds=5)
    assert 0.9 < reference < 1
    assert mean_accuracy(make, features, kinds, n_seeds=5) > reference - 0.03


def choose_backbone(estimator_class):
    """Take the method's own transformer, or a small residual network."""
    is_vit = estimator_class.__name__ in ("MFAVBClustering", "VTCCClustering")
    return "auto" if is_vit else "resnet10t"


def test_every_method_learns_shapes_from_pixels(estimator_class):
    """A small network beats k-means on pixels after few epochs."""
    images, kinds = make_shape_images(120, n_clusters=3, image_size=8, random_state=0)
    n_epochs = {
        "ContrastiveClustering": 10,
        "CueCoClustering": 30,
        "MFAVBClustering": 15,
        "VTCCClustering": 20,
    }
    settings = {
        "backbone": choose_backbone(estimator_class),
        "max_epochs": n_epochs.get(estimator_class.__name__, 8),  # of each stage
    }

    def make(seed):
        return estimator_class(3, random_state=seed, **settings)

    reference = kmeans_accuracy(images, kinds, n_seeds=3)
    assert mean_accuracy(make, images, kinds, n_seeds=3) > reference


@pytest.mark.slow
def test_every_method_learns_digits_from_pixels(estimator_class):
    """On 600 written digits; residual networks need half of the default epochs."""
    images, digits = (part[:600] for part in load_digit_images())
    backbone = choose_backbone(estimator_class)
    settings = {"backbone": backbone, "max_epochs": 40 if backbone == "auto" else 20}

    def make(seed):
        return estimator_class(10, random_state=seed, **settings)

    reference = kmeans_accuracy(images, digits, n_seeds=3)
    assert mean_accuracy(make, images, digits, n_seeds=3) > reference
