"""Classes beside the clusters that match them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from sklearn_mfavb.inspection import MatchedConfusionDisplay
from sklearn_mfavb.metrics import clustering_accuracy

TRUE = ["a"] * 4 + ["b"] * 4 + ["c"] * 2


def test_matched_pairs_are_on_the_diagonal():
    """Columns are reordered until most images agree."""
    predicted = [2, 2, 2, 1, 0, 0, 0, 0, 1, 1]
    display = MatchedConfusionDisplay.from_predictions(TRUE, predicted)
    assert_array_equal(display.counts, [[3, 0, 1], [0, 4, 0], [0, 0, 2]])
    assert display.cluster_names == [2, 0, 1]
    assert display.accuracy == clustering_accuracy(TRUE, predicted) == 0.9


def test_more_clusters_than_classes():
    """Clusters without a class come last, the largest first."""
    predicted = [5, 5, 9, 9, 6, 6, 6, 8, 7, 7]
    display = MatchedConfusionDisplay.from_predictions(TRUE, predicted)
    assert display.counts.shape == (3, 5)
    assert display.cluster_names[-2:] in ([5, 8], [9, 8])
    assert display.accuracy == clustering_accuracy(TRUE, predicted)


def test_fewer_clusters_than_classes():
    """Classes without a cluster come last; the others keep their order."""
    predicted = [0] * 2 + [1] * 8
    display = MatchedConfusionDisplay.from_predictions(
        TRUE, predicted, target_names=["ant", "bee", "cat"]
    )
    assert display.class_names == ["ant", "bee", "cat"]
    assert_array_equal(display.counts, [[2, 2], [0, 4], [0, 2]])
    ordered = MatchedConfusionDisplay.from_predictions(TRUE, [1] * 4 + [0] * 6)
    assert ordered.class_names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("true", [[0.75, 0.25], [0, 1]]),
        ("pred", [[1, 0.5], [0, 0.5]]),
        ("all", [[0.6, 0.2], [0, 0.2]]),
    ],
)
def test_shares(normalize, expected):
    """Rows, columns or all add up to one, and the counts stay."""
    display = MatchedConfusionDisplay.from_predictions(
        list("aaaab"), [1, 1, 1, 0, 0], normalize=normalize
    )
    assert_allclose(display.image_.get_array(), expected)
    assert display.counts.sum() == 5


def test_numbers_are_written_where_they_fit():
    """Zeros are left out, and so are the numbers of a large matrix."""
    display = MatchedConfusionDisplay.from_predictions(list("aab"), [1, 1, 0])
    assert [text.get_text() for text in display.texts_] == ["2", "1"]
    many = np.arange(30)
    assert MatchedConfusionDisplay.from_predictions(many, many).texts_ == []


def test_any_clusterer_is_accepted(shapes):
    """Estimators of scikit-learn have what is needed."""
    images, kinds = shapes
    rows = images.reshape(60, -1).astype(float)
    kmeans = KMeans(3, n_init=1, random_state=0).fit(rows)
    display = MatchedConfusionDisplay.from_estimator(kmeans, rows, kinds)
    assert display.accuracy == clustering_accuracy(kinds, kmeans.labels_)


def test_skipped_files_do_not_count():
    """Images without a label are no cluster."""

    class Skipping:
        def predict(self, X):
            return np.array([0, -1, 1])

    display = MatchedConfusionDisplay.from_estimator(Skipping(), [1, 2, 3], [5, 5, 6])
    assert_array_equal(display.counts, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([], []), {}, "at least one label"),
        (([0], [0, 1]), {}, "inconsistent numbers"),
        (([0, 1], [0, 1]), {"target_names": ["x"]}, "1 names, but there are 2"),
        (([0, 1], [0, 1]), {"normalize": "rows"}, "normalize must be.*'rows'"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, message):
    """What makes no sense is said."""
    with pytest.raises(ValueError, match=message):
        MatchedConfusionDisplay.from_predictions(*arguments, **options)
