"""Peak memory of fitting one epoch on a uint8 memory map of more than 1 GiB.

    python benchmarks/memory.py

Writes the map to a temporary folder, fits on it in a process of its own, and records by
how much the peak resident memory rose above what was resident before the fit.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from recording import append_record, read_peak

from sklearn_mfavb import MFAVBClustering

SHAPE = (8000, 224, 224, 3)  # 1.12 GiB


def write_map(path: Path) -> None:
    """Write noise, a few hundred images at a time."""
    rng = np.random.default_rng(0)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, SHAPE)
    for start in range(0, len(images), 200):
        images[start : start + 200] = rng.integers(
            0, 256, (200, *SHAPE[1:]), dtype=np.uint8
        )
    images.flush()


def fit(path: Path) -> dict[str, float]:
    """Fit one epoch at 32 pixels; a fit on 500 images first loads what any fit loads.

    Both fits have steps of 250 images, whose activations are most of the memory.
    """
    parameters = {
        "n_clusters": 4,
        "max_epochs": 1,
        "image_size": 32,
        "embed_dim": 64,
        "batch_size": 250,
        "random_state": 0,
    }
    MFAVBClustering(**parameters).fit(np.load(path, mmap_mode="r")[:500])
    before = read_peak()
    images = np.load(path, mmap_mode="r")
    start = time.perf_counter()
    MFAVBClustering(**parameters).fit(images)
    return {
        "map_gib": images.nbytes / 2**30,
        "rise_gib": (read_peak() - before) / 2**10,
        "before_gib": before / 2**10,
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Measure in a child, so that writing the map does not count."""
    if len(sys.argv) == 2:
        print(json.dumps(fit(Path(sys.argv[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_map(path)
        child = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    record = {key: round(value, 3) for key, value in json.loads(child.stdout).items()}
    append_record("memory", record)
    print(record)


if __name__ == "__main__":
    main()
