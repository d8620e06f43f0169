"""Classes beside the clusters that match them."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_mfavb.inspection import MatchedConfusionDisplay
from sklearn_mfavb.metrics import clustering_accuracy

TRUE = list("aaaabbbbcc")


@pytest.mark.parametrize(
    ("predicted", "counts", "clusters"),
    [
        ([2, 2, 2, 1, 0, 0, 0, 0, 1, 1], [[3, 0, 1], [0, 4, 0], [0, 0, 2]], [2, 0, 1]),
        (
            [5, 5, 5, 9, 6, 6, 6, 8, 7, 7],  # more clusters than classes
            [[3, 0, 0, 0, 1], [0, 3, 0, 1, 0], [0, 0, 2, 0, 0]],
            [5, 6, 7, 8, 9],
        ),
        ([0] * 2 + [1] * 8, [[2, 2], [0, 4], [0, 2]], [0, 1]),  # fewer
    ],
)
def test_matched_pairs_are_on_the_diagonal(predicted, counts, clusters):
    """Columns are reordered until most images agree; what has no match comes last."""
    display = MatchedConfusionDisplay.from_predictions(
        TRUE, predicted, target_names=["ant", "bee", "cat"]
    )
    assert_array_equal(display.counts, counts)
    assert display.cluster_names == clusters
    assert display.class_names == ["ant", "bee", "cat"]
    assert display.accuracy == clustering_accuracy(TRUE, predicted)


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


def test_any_clusterer_is_accepted_and_skipped_files_do_not_count():
    """Whatever predicts can be drawn; images without a label are no cluster."""
    clusterer = SimpleNamespace(predict=lambda X: np.array([0, -1, 1]))
    display = MatchedConfusionDisplay.from_estimator(clusterer, [1, 2, 3], [5, 5, 6])
    assert_array_equal(display.counts, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([0, 1], np.zeros((2, 8, 8)), r"y must .*shape=\(2, 8, 8\)"),
        ([0, 1], "photos", "y must hold one class for each image"),
        (np.zeros((3, 8, 8)), [0, 1], "inconsistent numbers"),
    ],
)
def test_wrong_classes_are_found_before_images_are_embedded(X, y, message):
    """Swapped arguments do not cost the time of a prediction."""
    with pytest.raises(ValueError, match=message):
        MatchedConfusionDisplay.from_estimator(None, X, y)


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
    """The message names what makes no sense."""
    with pytest.raises(ValueError, match=message):
        MatchedConfusionDisplay.from_predictions(*arguments, **options)
