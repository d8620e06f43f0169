"""Scores of images that belong to no cluster, and the threshold above them."""

import numpy as np
import pytest
import torch

from sklearn_mfavb.outliers import OutlierScorer


def draw_clusters(n_samples=400, n_features=32, seed=0):
    """Draw four clusters that point in one direction, the first column."""
    rng = np.random.default_rng(seed)
    centers = 0.4 * np.random.default_rng(99).normal(size=(4, n_features))
    centers[:, 0] = 4
    noise = 0.25 * rng.normal(size=(n_samples, n_features))
    return (centers[np.arange(n_samples) % 4] + noise).astype(np.float32)


def draw_strangers(n_samples, n_features=32, seed=1, spread=0.25):
    """Draw one group far from that direction; the smaller the spread, the denser."""
    rng = np.random.default_rng(seed)
    center = np.zeros(n_features)
    center[1] = 4
    return (center + spread * rng.normal(size=(n_samples, n_features))).astype(
        np.float32
    )


def score(scorer, features):
    """Score rows of numbers."""
    return scorer(torch.as_tensor(features)).numpy()


def is_outlier(scorer, features):
    """Whether rows are below the threshold."""
    return score(scorer, features) < scorer.threshold.item()


def unit(features):
    """Bring rows to unit length in float64."""
    features = np.asarray(features, dtype=np.float64)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_the_score_is_the_mean_cosine_with_the_ten_nearest_after_the_first():
    """As a loop would compute it, for rows that the fit has not seen."""
    train, new = draw_clusters(), draw_clusters(30, seed=5)
    scorer = OutlierScorer.fit(train)
    expected = [np.sort(unit(train) @ row)[-11:-1].mean() for row in unit(new)]
    np.testing.assert_allclose(score(scorer, new), expected, atol=1e-5)


def test_a_training_image_is_not_its_own_neighbor():
    """Its score is what it would be among the others: itself is the nearest."""
    train = draw_clusters(60)
    scores = score(OutlierScorer.fit(train), train)
    for index in (0, 17):
        others = np.delete(unit(train), index, axis=0)
        expected = np.sort(others @ unit(train)[index])[-10:].mean()
        assert scores[index] == pytest.approx(expected, abs=1e-5)


def test_a_score_depends_on_one_row_alone():
    """Neither on the batch, nor on the order, nor on the length of the row."""
    scorer = OutlierScorer.fit(draw_clusters())
    new = np.concatenate([draw_clusters(5000, seed=3), draw_strangers(9)])
    scores = score(scorer, new)
    np.testing.assert_allclose(score(scorer, new[::-1].copy())[::-1], scores, atol=1e-6)
    np.testing.assert_allclose(score(scorer, new[4990:]), scores[4990:], atol=1e-6)
    np.testing.assert_allclose(score(scorer, 7 * new), scores, atol=1e-6)


def test_turning_the_features_changes_nothing():
    """Only angles count: a rotation leaves scores and threshold as they are."""
    train = np.concatenate([draw_clusters(), draw_strangers(30)])
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))
    plain, turned = OutlierScorer.fit(train), OutlierScorer.fit(train @ turn)
    assert len(plain.typical) == len(turned.typical)
    assert plain.threshold.item() == pytest.approx(turned.threshold.item(), abs=1e-5)


@pytest.mark.parametrize("spread", [0.5, 0.25, 0.05])
def test_strangers_are_found_however_alike_they_are(spread):
    """A tenth of the images in one group, denser than the clusters or not."""
    clean, strangers = draw_clusters(400), draw_strangers(40, spread=spread)
    scorer = OutlierScorer.fit(np.concatenate([clean, strangers]))
    assert len(scorer.typical) == 400
    assert is_outlier(scorer, strangers).all()
    assert is_outlier(scorer, clean).mean() <= 0.03
    assert is_outlier(scorer, draw_strangers(50, seed=8, spread=spread)).all()
    assert is_outlier(scorer, draw_clusters(200, seed=9)).mean() <= 0.03


@pytest.mark.parametrize("seed", range(5))
def test_clean_data_are_left_alone(seed):
    """With "auto" at most 3 % of images from the clusters are outliers."""
    clean = draw_clusters(seed=seed)
    assert is_outlier(OutlierScorer.fit(clean), clean).mean() <= 0.03


def test_a_small_cluster_among_features_without_a_common_direction_is_typical():
    """Where nothing is common to most, nothing is held against a small group."""
    rng = np.random.default_rng(0)
    sizes = [200, 150, 20]
    centers = np.repeat(4 * np.eye(3, 16), sizes, axis=0)
    features = centers + 0.2 * rng.normal(size=centers.shape)
    scorer = OutlierScorer.fit(features)
    assert len(scorer.typical) == 370
    assert is_outlier(scorer, features[-20:]).mean() <= 0.25


def test_more_than_a_quarter_is_no_group_of_strangers():
    """Then all images are typical, and no large group is an outlier as a whole."""
    large = draw_strangers(150)
    scorer = OutlierScorer.fit(np.concatenate([draw_clusters(400), large]))
    assert len(scorer.typical) == 550
    assert not is_outlier(scorer, large).all()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.1, 1 / 3, 0.5])
def test_a_share_of_the_images_are_outliers(share):
    """As many as the share says, rounded, and those of the lowest scores."""
    train = draw_clusters(200)
    scorer = OutlierScorer.fit(train, outliers=share)
    found = is_outlier(scorer, train)
    assert found.sum() == round(200 * share)
    scores = score(scorer, train)
    assert set(np.flatnonzero(found)) == set(np.argsort(scores)[: found.sum()])


def test_of_many_images_at_most_three_thousand_are_kept():
    """The same ones in every fit; a share still counts all images."""
    train = draw_clusters(6000, n_features=8)
    scorer = OutlierScorer.fit(train, outliers=0.1)
    assert 2700 <= len(scorer.typical) <= 3000
    assert is_outlier(scorer, train).sum() == 600
    again = OutlierScorer.fit(train, outliers=0.1)
    assert torch.equal(again.typical, scorer.typical)


def test_a_scorer_is_its_two_tensors():
    """They make it again; all are float32, and the typical rows have unit length."""
    train = draw_clusters()
    scorer = OutlierScorer.fit(train.astype(np.float64))
    state = scorer.state_dict()
    assert {name: each.dtype for name, each in state.items()} == {
        "typical": torch.float32,
        "threshold": torch.float32,
    }
    torch.testing.assert_close(state["typical"].norm(dim=1), torch.ones(400))
    np.testing.assert_array_equal(
        score(OutlierScorer(**state), train), score(scorer, train)
    )


@pytest.mark.parametrize("outliers", ["auto", 0.0, 0.5])
@pytest.mark.parametrize(
    "features",
    [
        np.ones((1, 3)),
        np.ones((50, 3)),
        np.zeros((50, 3)),
        np.eye(2),
        np.repeat(np.eye(3) + 1, [30, 12, 1], axis=0),
    ],
    ids=["one row", "constant", "zeros", "two rows", "duplicates"],
)
def test_degenerate_features_have_scores(features, outliers):
    """And without any spread no image is said to be unusual."""
    scorer = OutlierScorer.fit(features, outliers=outliers)
    scores = score(scorer, features)
    assert np.isfinite(scores).all()
    assert (np.abs(scores) <= 1 + 1e-6).all()
    if outliers != 0.5:
        assert not is_outlier(scorer, features).any()


def test_fewer_images_than_neighbors_are_compared_with_all_others():
    """Of four images, the score of one is the mean cosine with the other three."""
    train = draw_clusters(4)
    cosines = unit(train) @ unit(train).T
    expected = (cosines.sum(axis=1) - 1) / 3
    np.testing.assert_allclose(
        score(OutlierScorer.fit(train), train), expected, atol=1e-5
    )


def test_rows_that_could_not_be_read_are_no_outliers():
    """NaN stays NaN, which is below no threshold."""
    scorer = OutlierScorer.fit(draw_clusters())
    rows = np.full((2, 32), np.nan, dtype=np.float32)
    assert np.isnan(score(scorer, rows)).all()
    assert not is_outlier(scorer, rows).any()


@pytest.mark.parametrize(
    ("features", "outliers", "message"),
    [
        ([[0.0], [np.nan]], "auto", "features contains NaN"),
        (np.ones(3), "auto", "1D array"),
        (np.ones((0, 3)), "auto", r"0 sample\(s\)"),
        (np.ones((3, 2)), 0.6, r"'outliers' parameter .* range \[0.0, 0.5\]"),
        (np.ones((3, 2)), -0.1, "'outliers' parameter"),
        (np.ones((3, 2)), "all", "'outliers' parameter .* {'auto'}"),
    ],
)
def test_wrong_arguments_are_named(features, outliers, message):
    """With what would be right."""
    with pytest.raises(ValueError, match=message):
        OutlierScorer.fit(features, outliers=outliers)
