"""Frozen encoders as an estimator holds them: features centered, scaled, restored."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_mfavb.features import FrozenEncoder, restore_features


@pytest.fixture
def encoders():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(30, n)) + 1 for n in (8, 5)]
    unit = [(b / np.linalg.norm(b, axis=1, keepdims=True)) for b in blocks]
    made = [
        FrozenEncoder(str(i), None, rows.mean(axis=0).astype(np.float32), weight)
        for i, (rows, weight) in enumerate(zip(unit, (1.0, 0.5), strict=True))
    ]
    return made, [rows.astype(np.float32) for rows in unit]


def test_restored_features_are_what_the_encoders_gave(encoders):
    """Side by side, each of the length of its weight; NaN stays NaN."""
    made, unit = encoders
    scaled = [each.scale(rows) for each, rows in zip(made, unit, strict=True)]
    rows = np.concatenate(scaled, axis=1)
    rows[3] = np.nan
    restored = restore_features(made, rows)
    expected = np.concatenate([unit[0], 0.5 * unit[1]], axis=1)
    expected[3] = np.nan
    assert_allclose(restored, expected, atol=1e-5)


def test_scaled_features_are_centered_and_of_one_mean_square(encoders):
    made, unit = encoders
    scaled = made[1].scale(unit[1])
    assert_allclose(np.square(scaled).mean(axis=1), 0.25, rtol=1e-5)
    assert np.abs(scaled.mean(axis=0)).max() < 0.2
