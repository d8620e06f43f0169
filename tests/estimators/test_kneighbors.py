"""Neighbors among the training images, as scikit-learn has them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from sklearn_mfavb import MFAVBClustering, Reading


@pytest.fixture(scope="module")
def clusterer(make, images):
    return make(MFAVBClustering).fit(images)


def test_neighbors_are_those_of_the_embedding(clusterer, images):
    """Distances and indices are scikit-learn's by the cosine, closest first."""
    search = NearestNeighbors(metric="cosine").fit(clusterer.transform(images))
    queries = 255 - images[:7]
    expected = search.kneighbors(clusterer.transform(queries), 4)[0]
    distances, indices = clusterer.kneighbors(queries, 4)
    assert_allclose(distances, expected, atol=1e-6)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert indices.dtype == np.int64
    assert_array_equal(clusterer.kneighbors(queries, 4, return_distance=False), indices)


def test_no_image_is_its_own_neighbor_without_X(clusterer, images):
    """Passed as X, the training images find themselves first."""
    _, indices = clusterer.kneighbors()
    assert indices.shape == (len(images), 5)
    assert not (indices == np.arange(len(images))[:, None]).any()
    itself, others = np.split(clusterer.kneighbors(images, 6)[1], [1], axis=1)
    assert_array_equal(itself[:, 0], np.arange(len(images)))
    assert_array_equal(others, indices)


def test_classes_are_found(make, features, shapes):
    """With features that tell kinds apart, neighbors are of one kind."""
    _, kinds = shapes
    clusterer = make(MFAVBClustering, encoder="precomputed", max_epochs=20)
    indices = clusterer.fit(features).kneighbors(return_distance=False)
    assert (kinds[indices] == kinds[:, None]).mean() > 0.9
    assert_array_equal(
        clusterer.kneighbors(None, 1, features=features)[1][:, 0], np.arange(len(kinds))
    )


def test_skipped_files(make, photos):
    """They are nobody's neighbors, and have none."""
    photos[4].write_bytes(b"no image")
    clusterer = make(MFAVBClustering, reading=Reading(on_error="skip")).fit(photos)
    distances, indices = clusterer.kneighbors(n_neighbors=28)
    assert_array_equal(indices[4], -1)
    assert np.isnan(distances[4]).all()
    others = np.delete(indices, 4, axis=0)
    assert_array_equal(np.unique(others), np.delete(np.arange(30), 4))
    distances, indices = clusterer.kneighbors([photos[4]], 2)
    assert np.isnan(distances).all()
    assert_array_equal(indices, [[-1, -1]])


@pytest.mark.parametrize("n_neighbors", [0, 90, 2.5])
def test_wrong_numbers(clusterer, n_neighbors):
    """There must be as many other images."""
    with pytest.raises((TypeError, ValueError), match="n_neighbors"):
        clusterer.kneighbors(n_neighbors=n_neighbors)


def test_before_fit(make):
    with pytest.raises(NotFittedError):
        make(MFAVBClustering).kneighbors()
