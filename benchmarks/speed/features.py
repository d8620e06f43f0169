"""Many features with the structure of real ones, and mixtures with known clusters."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.neighbors import nearest_neighbors

SETS = ("cifar10_5k", "ucmerced16", "rsscn7")
N_AROUND = 50
BLOCK_ROWS = 50_000
WIDTH, N_CLUSTERS, N_DIRECTIONS = 512, 100, 12


def spread_real(folder: Path, n_rows: int, path: Path) -> None:
    """Write rows around real CLIP features to a file, in float16.

    A row is a real one plus a part of the difference of two of its 50 neighbors: it
    varies in the directions in which features vary there.
    """
    parts = [np.load(folder / f"{name}.npz")["clip_vitb16"] for name in SETS]
    real = np.concatenate(parts).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    around = nearest_neighbors(real, N_AROUND, metric="cosine")
    rng = np.random.default_rng(0)
    shape = (n_rows, real.shape[1])
    rows = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(0, n_rows, BLOCK_ROWS):
        n_drawn = min(BLOCK_ROWS, n_rows - start)
        base = rng.integers(len(real), size=n_drawn)
        first, second = around[base, rng.integers(N_AROUND, size=(2, n_drawn))]
        part = rng.uniform(0.3, 0.8, size=(n_drawn, 1)).astype(np.float32)
        made = real[base] + part * (real[first] - real[second])
        rows[start : start + n_drawn] = 10 * made  # about as long as CLIP's
    rows.flush()


def draw_mixture(n_rows: int, path: Path) -> NDArray[np.int64]:
    """Write rows of a mixture to a file, in float16, and return their clusters.

    The sizes of the 100 clusters differ by a factor of up to 5. Each varies in 12
    directions of its own, and a little in all; all rows have one direction in common.
    """
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1, 5, N_CLUSTERS)
    labels = rng.choice(N_CLUSTERS, size=n_rows, p=sizes / sizes.sum())
    centers = rng.standard_normal((N_CLUSTERS, WIDTH), dtype=np.float32)
    directions = rng.standard_normal(
        (N_CLUSTERS, N_DIRECTIONS, WIDTH), dtype=np.float32
    )
    rows = np.lib.format.open_memmap(path, "w+", np.float16, (n_rows, WIDTH))
    for start in range(0, n_rows, BLOCK_ROWS):
        mine = labels[start : start + BLOCK_ROWS]
        block = 1.5 + 0.8 * centers[mine]
        for cluster in np.unique(mine):
            members = mine == cluster
            along = rng.standard_normal((members.sum(), N_DIRECTIONS), dtype=np.float32)
            block[members] += 0.3 * along @ directions[cluster]
        block += 1.0 * rng.standard_normal(block.shape, dtype=np.float32)
        rows[start : start + len(mine)] = block
    rows.flush()
    return labels
