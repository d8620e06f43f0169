"""What `fit` has found in the training images is kept, and nothing is done twice."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin

from sklearn_mfavb import MFAVBClustering, Reading
from sklearn_mfavb.estimators._model import ClusteringModel
from sklearn_mfavb.inspection import MatchedConfusionDisplay, gather_findings
from sklearn_mfavb.report import write_report

SKIP = Reading(on_error="skip")


class CountedPasses(TransformerMixin, BaseEstimator):
    """An encoder that counts the images that pass it."""

    n_images = 0

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        pictures = [np.asarray(Image.open(path), dtype=np.float32) for path in X]
        type(self).n_images += len(pictures)
        return np.stack([picture.ravel() / 255 for picture in pictures])


@pytest.fixture
def passes(monkeypatch):
    """List the passes of the network over images, by their number."""
    passed, embed = [], ClusteringModel.embed

    def counted(self, dataset, runtime):
        passed.append(len(dataset))
        return embed(self, dataset, runtime)

    monkeypatch.setattr(ClusteringModel, "embed", counted)
    monkeypatch.setattr(CountedPasses, "n_images", 0)
    return passed


@pytest.fixture
def on_photos(make, photos):
    """Fit an estimator on thirty files by their features."""
    return make(MFAVBClustering, encoder=CountedPasses()).fit(photos)


def test_results_of_fit_are_kept(fitted, images):
    """They are what the methods compute, bit for bit."""
    assert_array_equal(fitted.embedding_, fitted.transform(images))
    assert_array_equal(fitted.probabilities_, fitted.predict_proba(images))
    assert_array_equal(fitted.labels_, fitted.predict(images))
    assert fitted.embedding_.dtype == fitted.probabilities_.dtype == np.float32


def test_fit_encodes_once(make, photos, passes):
    """Each image passes an encoder once for training, labels and neighbors."""
    clusterer = make(MFAVBClustering, encoder=CountedPasses(), outliers="auto")
    clusterer.fit(photos).kneighbors()
    assert CountedPasses.n_images == len(photos)
    assert passes == []


def test_training_images_are_not_passed_again(on_photos, photos, passes, tmp_path):
    """Score, findings, a Display and the report take what is kept."""
    found = gather_findings(on_photos, photos, with_score=True)
    assert found.score == on_photos.score(photos)
    MatchedConfusionDisplay.from_estimator(on_photos, photos, [0, 1, 2] * 10)
    write_report(on_photos, found, tmp_path / "page.html")
    write_report(on_photos, photos[0].parent, tmp_path / "same.html")
    assert passes == []
    assert CountedPasses.n_images == 0
    assert_array_equal(on_photos.predict(photos), on_photos.labels_)
    assert CountedPasses.n_images == 0  # features are kept too


def test_kept_results_are_those_of_a_pass(on_photos, photos, passes):
    """Without them the findings are the same, bit for bit."""
    kept = gather_findings(on_photos, photos, with_score=True)
    on_photos._fingerprint = None
    computed = gather_findings(on_photos, photos, with_score=True)
    assert (passes, CountedPasses.n_images) == ([30], 30)
    for name in ("labels", "probabilities", "embedding"):
        assert_array_equal(getattr(kept, name), getattr(computed, name))
    assert_array_equal(kept.inputs.features, computed.inputs.features)
    assert kept.score == computed.score


def test_files_that_have_changed_are_other_images(on_photos, photos, passes):
    """So are files in another order, and fewer."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(photos[3])
    found = gather_findings(on_photos, photos)
    assert (passes, CountedPasses.n_images) == ([30], 30)
    assert np.abs(found.embedding - on_photos.embedding_).max(axis=1).argmax() == 3
    gather_findings(on_photos, photos[::-1])
    gather_findings(on_photos, photos[:5])
    assert passes == [30, 30, 5]


def test_arrays_are_compared_by_content(make, images, passes):
    """A copy is the same images; one pixel that differs makes others."""
    clusterer = make(MFAVBClustering).fit(images)
    gather_findings(clusterer, images.copy())
    assert passes == []
    changed = images.copy()
    changed[7, 0, 0] ^= 1
    gather_findings(clusterer, changed)
    gather_findings(clusterer, list(map(Image.fromarray, images)))  # may be anything
    assert passes == [len(images)] * 2


@pytest.mark.parametrize("with_images", [True, False])
def test_features_of_the_user_count(make, images, features, passes, with_images):
    """The same images with other features are no training images."""
    X = images if with_images else None
    clusterer = make(MFAVBClustering, encoder="precomputed").fit(X, features=features)
    clusterer.score(X, features=features.copy())
    clusterer.kneighbors(X, features=features.copy())
    assert passes == []
    clusterer.kneighbors(X, features=features[::-1])
    assert passes == [len(images)]
    with pytest.raises(ValueError, match="features"):
        clusterer.score(images)


def test_skipped_files_have_no_results(make, photos, passes):
    """Their rows are NaN, and findings know why they were skipped."""
    photos[4].write_bytes(b"no image")
    photos[7].write_bytes(photos[7].read_bytes()[:60])  # its header is whole
    clusterer = make(MFAVBClustering, reading=SKIP).fit(photos)
    for rows in (clusterer.embedding_, clusterer.probabilities_):
        assert np.flatnonzero(np.isnan(rows).any(axis=1)).tolist() == [4, 7]
    found = gather_findings(clusterer, photos)
    assert found.source.unreadable == clusterer.skipped_
    assert passes == []


def test_pickles_keep_results(on_photos, photos, passes):
    """A copy in another process needs no pass either."""
    copy = pickle.loads(pickle.dumps(on_photos))
    assert copy.score(photos) == on_photos.score(photos)
    assert passes == []


def test_results_do_not_change_with_what_was_returned(make, features):
    """Users may work in place on what fit_transform gives them."""
    clusterer = make(MFAVBClustering, encoder="precomputed")
    embedding = clusterer.fit_transform(features)
    assert_array_equal(embedding, clusterer.embedding_)
    embedding[:] = 0
    assert clusterer.embedding_.any()
