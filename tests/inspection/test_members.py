"""Which members of a cluster are typical, and which are doubtful."""

import numpy as np
import pytest

from sklearn_mfavb.inspection import rank_members


def test_likeliest_are_typical_and_least_likely_doubtful():
    """Both are ordered from their end of the probabilities."""
    share = np.array([0.6, 0.9, 0.7, 0.8, 0.55])
    only, none = rank_members(np.c_[share, 1 - share], n_typical=2, n_doubtful=2)
    assert only.typical.tolist() == [1, 3]
    assert only.doubtful.tolist() == [4, 0]
    assert (only.cluster, only.n_images) == (0, 5)
    assert only.confidence == pytest.approx(share.mean())
    assert (none.n_images, none.typical.tolist()) == (0, [])
    assert np.isnan(none.confidence)


def test_equal_percents_are_ordered_by_distance_from_the_center():
    """Where a mixture is nearly certain of all, the place in the cluster decides."""
    certain = np.array([0.99999, 0.99998, 0.99997, 0.99996])
    places = np.array([[9.0], [0.0], [1.0], [-4.0]])
    (cluster, _) = rank_members(
        np.c_[certain, 1 - certain], places, n_typical=2, n_doubtful=1
    )
    assert cluster.typical.tolist() == [2, 1]  # the center is at 1.5
    assert cluster.doubtful.tolist() == [0]


@pytest.mark.parametrize(
    ("n_typical", "typical", "doubtful"), [(2, [0, 1], [2]), (5, [0, 1, 2], [])]
)
def test_nobody_is_typical_and_doubtful(n_typical, typical, doubtful):
    """A small cluster has typical members first, and then no doubtful ones."""
    (cluster,) = rank_members(np.ones((3, 1)), n_typical=n_typical, n_doubtful=5)
    assert cluster.typical.tolist() == typical
    assert cluster.doubtful.tolist() == doubtful


@pytest.mark.filterwarnings("error")
def test_skipped_files_and_empty_clusters():
    """Rows of NaN are in no cluster, and an empty cluster is no trouble."""
    rows = np.array([[0.8, 0.2, 0.0], [np.nan] * 3, [0.3, 0.7, 0.0]])
    places = np.where(np.isnan(rows), np.nan, 0.0)
    sizes = [members.n_images for members in rank_members(rows, places)]
    assert sizes == [1, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_typical": -1}, "n_typical == -1"),
        ({"n_doubtful": -1}, "n_doubtful == -1"),
        ({"embedding": np.zeros((4, 2))}, "inconsistent numbers of samples"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    """Numbers below zero and rows that do not match are refused."""
    with pytest.raises(ValueError, match=message):
        rank_members(np.ones((3, 1)), **wrong)
