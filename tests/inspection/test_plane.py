"""Embeddings laid out in a plane."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_mfavb.inspection import lay_out


def test_groups_stay_together():
    """Two distant groups are two groups on the map."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6)) + np.repeat([[0.0], [50.0]], 20, axis=0)
    _, places = lay_out(rows, random_state=0)
    centres = places[:20].mean(axis=0), places[20:].mean(axis=0)
    radius = max(np.linalg.norm(places[:20] - centres[0], axis=1))
    assert np.linalg.norm(centres[1] - centres[0]) > 2 * radius


def test_a_sample_is_drawn_by_the_seed():
    """Of many rows so many are drawn as may be, and the same for the same seed."""
    rows = np.random.default_rng(0).normal(size=(50, 4))
    first, places = lay_out(rows, max_points=12, random_state=1)
    again, same_places = lay_out(rows, max_points=12, random_state=1)
    assert len(set(first)) == 12
    assert_array_equal(first, np.sort(first))
    assert_array_equal(first, again)
    assert_array_equal(places, same_places)
    assert set(lay_out(rows, max_points=12, random_state=2)[0]) != set(first)


def test_skipped_files_are_left_out():
    """Rows of NaN have no place."""
    rows = np.random.default_rng(0).normal(size=(10, 4))
    rows[3] = np.nan
    indices, places = lay_out(rows, random_state=0)
    assert 3 not in indices
    assert len(places) == 9
    assert np.isfinite(places).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (3, 4), (5, 4), (6, 1)])
def test_few_rows_or_columns(shape):
    """There is a map of any number of images, of any dimension."""
    rows = np.random.default_rng(0).normal(size=shape)
    _, places = lay_out(rows, random_state=0)
    assert places.shape == (shape[0], 2)
    assert np.isfinite(places).all()
    assert shape[0] == 1 or np.ptp(places) > 0


@pytest.mark.filterwarnings("error")
def test_identical_rows_are_one_place():
    """A set of copies, which has no components, is no error."""
    _, places = lay_out(np.ones((9, 4)))
    assert_array_equal(places, np.zeros((9, 2)))


def test_wrong_arguments_are_named():
    """A map needs a point."""
    with pytest.raises(ValueError, match="max_points == 0"):
        lay_out(np.ones((3, 2)), max_points=0)
