"""The map has a point for each image, in the colour of its cluster."""

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_array_equal

from sklearn_mfavb.inspection import EmbeddingMapDisplay


def test_points_have_the_colour_of_their_cluster():
    """Equal labels have equal colours, and every cluster is named once."""
    labels = np.array([4, 4, 7, 7, 7])
    places = np.arange(10.0).reshape(5, 2)
    display = EmbeddingMapDisplay(places, labels).plot()
    assert_array_equal(display.points_.get_offsets(), places)
    assert_array_equal(display.points_.get_array(), [0, 0, 1, 1, 1])
    assert [text.get_text() for text in display.ax_.texts] == ["4", "7"]


def test_names_stand_at_an_image():
    """The name of a cluster of two islands is not in the empty middle."""
    places = np.array([[0.0, 0.0], [1.0, 0.0], [100.0, 0.0], [101.0, 0.0]])
    display = EmbeddingMapDisplay(places, np.zeros(4, int)).plot()
    assert tuple(display.ax_.texts[0].xy) in {(1.0, 0.0), (100.0, 0.0)}


def test_estimators_are_drawn_into_given_axes(fitted, shapes):
    """The figure is the caller's, and labels are those of the estimator."""
    figure, ax = pyplot.subplots()
    display = EmbeddingMapDisplay.from_estimator(
        fitted, shapes[0], max_points=20, random_state=0, ax=ax, s=3
    )
    assert display.figure_ is figure
    assert display.coordinates.shape == (20, 2)
    assert display.points_.get_sizes().tolist() == [3]
    assert set(display.labels) <= set(fitted.labels_)


def test_labels_must_match_the_rows():
    """One label for each row."""
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EmbeddingMapDisplay.from_predictions(np.ones((4, 2)), [0, 1])
