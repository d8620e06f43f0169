"""What labels an embedding: the mixture, k-means, a head, or the user's estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.mixture import GaussianMixture

from sklearn_mfavb import VTCCClustering


class Halves(BaseEstimator):
    """A clusterer of the user's that has `fit` and `predict`, and nothing else."""

    def fit(self, X, y=None):
        self.median_ = np.median(X[:, 0])
        return self

    def predict(self, X):
        return (X[:, 0] > self.median_).astype(int)


ASSIGNMENTS = {
    "mixture": "mixture",
    "kmeans": "kmeans",
    "head": "head",
    "KMeans": KMeans(3, n_init=2),
    "GaussianMixture": GaussianMixture(3, covariance_type="diag"),
    "Halves": Halves(),
}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_predict_repeats_the_labels(estimator_class, make, images, name):
    """With every assignment, for images of the fit in any number."""
    assignment = ASSIGNMENTS[name]
    without_heads = ("ConCURLClustering", "CueCoClustering")
    if name == "head" and estimator_class.__name__ in without_heads:
        pytest.skip("its heads do not learn")
    clusterer = make(estimator_class, assignment=assignment).fit(images)
    assert set(clusterer.labels_) <= {0, 1, 2}
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    probabilities = clusterer.predict_proba(images)
    assert probabilities.dtype == np.float32
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(probabilities.argmax(axis=1), clusterer.labels_)
    if not isinstance(assignment, str):
        assert_array_equal(
            clusterer.model_.assigner.estimator.predict(clusterer.transform(images)),
            clusterer.labels_,
        )
        assert not hasattr(assignment, "n_features_in_"), "the user's is cloned"
        copy = pickle.loads(pickle.dumps(clusterer))
        assert_array_equal(copy.predict(images), clusterer.labels_)
        again = clone(clusterer).fit(images)  # its seed is that of the fit
        assert_array_equal(again.labels_, clusterer.labels_)


@pytest.mark.parametrize("assignment", [DBSCAN(), 3, "coin"])
def test_what_cannot_predict_is_refused(estimator_class, make, images, assignment):
    with pytest.raises(ValueError, match="assignment"):
        make(estimator_class, assignment=assignment).fit(images)


def test_a_class_is_refused_before_training(make, images, stop_at):
    training = stop_at(1, RuntimeError("training has begun"))
    with pytest.raises(TypeError, match="instance"):
        make(VTCCClustering, assignment=KMeans, training=training).fit(images)


def test_another_number_of_clusters_is_refused(make, images):
    with pytest.raises(ValueError, match="n_clusters=8, but n_clusters=3"):
        make(VTCCClustering, assignment=KMeans()).fit(images)
