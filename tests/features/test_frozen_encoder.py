"""Frozen encoders as an estimator holds them, and the table of their features."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sklearn_mfavb.features import FeatureTable, FrozenEncoder, fit_encoders
from sklearn_mfavb.outliers import OutlierScorer


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


def test_a_table_reads_what_encoders_make_of_some_rows(encoders):
    """Side by side; float16 and rows that are left out change nothing else."""
    made, blocks = encoders
    blocks = [block.astype(np.float16) for block in blocks]
    table = FeatureTable(made, blocks)
    pairs = list(zip(made, blocks, strict=True))
    scaled = np.concatenate([each.scale(rows) for each, rows in pairs], axis=1)
    assert table.shape == (30, 13)
    assert table[:].dtype == torch.float32
    assert_allclose(table[:], scaled)
    assert_allclose(table[torch.tensor([4, 2])], scaled[[4, 2]])
    kept = table.take(np.arange(10, 20))
    assert_allclose(kept[[0, -1]], scaled[[10, 19]])
    assert_allclose(kept.take(np.array([3]))[:], scaled[[13]])
    backward = np.arange(30)[::-1]  # all rows, in another order
    assert_allclose(table.take(backward)[:], scaled[backward])


def test_a_table_reads_features_as_the_encoders_gave_them(encoders):
    """Not centered, each of the length of its weight; NaN stays NaN."""
    made, unit = encoders
    unit[0][3] = np.nan
    table = FeatureTable(made, [3 * rows for rows in unit]).read_as(FrozenEncoder.unit)
    expected = np.concatenate([unit[0], 0.5 * unit[1]], axis=1)
    assert_allclose(table[:], expected, atol=1e-6)


def test_features_on_disk_are_read_in_blocks(tmp_path):
    """Neither encoding nor outliers nor some rows make a copy of everything."""
    shape = (100_000, 64)
    rows = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float16, shape)
    rows[:] = np.random.default_rng(0).standard_normal(shape) + 1
    rows.flush()
    features = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        _, table = fit_encoders("precomputed", features, None, features, n_clusters=2)
        table[np.arange(0, 100_000, 1000)]
        raw = table.read_as(FrozenEncoder.unit)
        OutlierScorer.fit_rows(raw, outliers=0.1).score_rows(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.shares_memory(table.blocks[0], features)
    assert peak < features.nbytes  # half of a copy in float32


def test_scaled_features_are_centered_and_of_one_mean_square(encoders):
    made, unit = encoders
    scaled = made[1].scale(unit[1])
    assert_allclose(np.square(scaled).mean(axis=1), 0.25, rtol=1e-5)
    assert np.abs(scaled.mean(axis=0)).max() < 0.2
