"""Time and memory of clustering a folder of real images by the command line.

    python benchmarks/folder.py --data-dir DIR --out DIR [--dataset fashion_mnist_test]

Writes a set as PNG files, a thousand in a folder, calls ``sklearn-mfavb cluster`` with
all defaults in a process of its own, and adds a line to ``results/folder.jsonl``.
Pictures and results stay in `--out`, to be looked at. Labels only score.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image_sets import load_image_set
from PIL import Image
from recording import append_record, read_peak

from sklearn_mfavb.metrics import clustering_summary

N_IN_FOLDER = 1000
ADDRESS = re.compile("https?://", re.IGNORECASE)


def write_pictures(images: Any, folder: Path) -> None:
    """Write images as PNG files whose names sort in their order."""
    for index, image in enumerate(images):
        path = folder / f"{index // N_IN_FOLDER:02d}" / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def cluster(photos: Path, n_clusters: int, out: Path) -> dict[str, float]:
    """Run the program; return its seconds and its peak memory.

    Linux lets a new process begin with the peak of the one that started it; the peak of
    this one is recorded too, so that anyone can see that it is the smaller.
    """
    command = ["cluster", str(photos), "--n-clusters", str(n_clusters)]
    began_at = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "sklearn_mfavb", *command, "--out", str(out)], check=True
    )
    return {
        "seconds": round(time.perf_counter() - began_at, 1),
        "peak_mib": round(read_peak(of_children=True), 1),
        "peak_mib_of_this_program": round(read_peak(), 1),
    }


def read_results(out: Path, classes: Any) -> dict[str, Any]:
    """Return what the program left behind, and how its clusters score."""
    result = json.loads((out / "result.json").read_text("utf-8"))
    with (out / "clusters.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
    page = (out / "report.html").read_text("utf-8")
    return {
        "n_images": result["n_images"],
        "sizes": result["sizes"],
        "seconds_of_training": round(result["seconds_of_training"], 1),
        "n_epochs": len(result["history"]),
        "n_skipped": result["n_skipped"],
        "report_mib": round(len(page.encode()) / 2**20, 2),
        "addresses_in_report": len(ADDRESS.findall(page)),
        "score": round(result["score"], 4),
        **clustering_summary(classes, [int(row["cluster"]) for row in rows]),
    }


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--dataset", default="fashion_mnist_test")
    options = parser.parse_args()
    photos, out = options.out / "photos", options.out / "clusters"
    loaded = load_image_set(options.dataset, options.data_dir)
    if isinstance(loaded.images, list):
        parser.error(f"{options.dataset} is a folder already; name a set of arrays")
    photos.mkdir(parents=True)
    write_pictures(loaded.images, photos)
    measured = cluster(photos, len(np.unique(loaded.target)), out)
    record = {
        "dataset": options.dataset,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "n_threads": torch.get_num_threads(),
        **measured,
        **read_results(out, loaded.target),
    }
    append_record("folder", record)
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
