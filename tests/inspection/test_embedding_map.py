"""The map has a point for each image, in the color of its cluster."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from numpy.testing import assert_array_equal

from sklearn_mfavb.inspection import (
    EmbeddingMapDisplay,
    cluster_color,
    project_embedding,
)


@pytest.mark.parametrize("labels", [[4, 4, 7, 7, -1], list("aabbc")])
def test_points_have_the_color_of_their_cluster(labels):
    """Equal labels have equal colors, and every cluster is named once."""
    places = np.arange(10.0).reshape(5, 2)
    display = EmbeddingMapDisplay(places, np.array(labels)).plot()
    assert_array_equal(display.points_.get_offsets(), places)
    display.figure_.canvas.draw()
    numbers = labels if labels[0] == 4 else [0, 0, 1, 1, 2]
    drawn = [to_hex(color) for color in display.points_.get_facecolors()]
    assert drawn == [cluster_color(number) for number in numbers]
    names = {text.get_text() for text in display.ax_.texts}
    assert names == {str(label) for label in labels}
    assert len({cluster_color(cluster) for cluster in range(50)}) == 50


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


def test_groups_stay_together():
    """Two distant groups are two groups on the map."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6)) + np.repeat([[0.0], [50.0]], 20, axis=0)
    _, places = project_embedding(rows, random_state=0)
    centers = places[:20].mean(axis=0), places[20:].mean(axis=0)
    radius = max(np.linalg.norm(places[:20] - centers[0], axis=1))
    assert np.linalg.norm(centers[1] - centers[0]) > 2 * radius


def test_a_sample_is_drawn_by_the_seed():
    """Of many rows a sample is drawn, the same for the same seed; never one of NaN."""
    rows = np.random.default_rng(0).normal(size=(50, 4))
    rows[3] = np.nan
    (first, places), (again, same_places), (other, _) = (
        project_embedding(rows, max_points=12, random_state=seed) for seed in (1, 1, 2)
    )
    assert len(set(first)) == 12
    assert_array_equal(first, np.sort(first))
    assert_array_equal(first, again)
    assert_array_equal(places, same_places)
    assert set(other) != set(first)
    everything, _ = project_embedding(rows)
    assert_array_equal(everything, np.delete(np.arange(50), 3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (3, 4), (5, 4), (6, 1)])
def test_few_rows_or_columns(shape):
    """There is a map of any number of images, of any dimension, and of copies."""
    rows = np.random.default_rng(0).normal(size=shape)
    _, places = project_embedding(rows, random_state=0)
    assert places.shape == (shape[0], 2)
    assert np.isfinite(places).all()
    assert shape[0] == 1 or np.ptp(places) > 0
    assert_array_equal(project_embedding(np.ones(shape))[1], np.zeros((shape[0], 2)))


def test_wrong_arguments_are_named():
    """A map needs a point, and every row a label."""
    with pytest.raises(ValueError, match="max_points == 0"):
        project_embedding(np.ones((3, 2)), max_points=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EmbeddingMapDisplay.from_predictions(np.ones((4, 2)), [0, 1])
