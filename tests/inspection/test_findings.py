"""Findings are what the public methods return."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.inspection import gather_findings

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_findings_are_those_of_the_methods(fitted, shapes):
    """Labels, probabilities, embedding and score are bit for bit the same."""
    images, _ = shapes
    found = gather_findings(fitted, images, with_score=True)
    assert_array_equal(found.labels, fitted.predict(images))
    assert_array_equal(found.probabilities, fitted.predict_proba(images))
    assert_array_equal(found.embedding, fitted.transform(images))
    assert found.score == fitted.score(images)


def test_features_that_were_computed_before(shapes):
    """Features of the user's are passed on."""
    images, _ = shapes
    features = np.random.default_rng(0).normal(size=(60, 8))
    clusterer = MFAVBClustering(3, encoder="precomputed", max_epochs=1, random_state=0)
    clusterer.fit(images, features=features)
    found = gather_findings(clusterer, images, features=features, with_score=True)
    assert_array_equal(found.labels, clusterer.labels_)
    assert found.score == clusterer.score(images, features=features)


def test_skipped_files_are_marked(fitted, shapes, tmp_path):
    """A broken file has label -1, and its reason is kept."""
    for index, image in enumerate(shapes[0][:5]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    skipping = clone(fitted).set_params(reading__on_error="skip", max_epochs=1)
    found = gather_findings(skipping.fit(tmp_path), tmp_path)
    assert np.flatnonzero(found.labels < 0).tolist() == [2]
    assert list(found.source.unreadable) == [2]


def test_wrong_estimators_are_refused(fitted, shapes):
    """Others have another way, and `fit` comes first."""
    rows = shapes[0].reshape(60, -1)
    with pytest.raises(TypeError, match=r"KMeans.*from_predictions"):
        gather_findings(KMeans(2).fit(rows), rows)
    with pytest.raises(NotFittedError):
        gather_findings(clone(fitted), shapes[0])
