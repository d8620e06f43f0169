"""Find copies of images among many: how many, and how many pairs that are none.

Of a data set, 100 images are copied in three ways: as JPEG of quality 60, at half size,
and mirrored. Run from the root of the repository::

    python -m benchmarks.near_duplicates --data-dir DIR
    python -m benchmarks.near_duplicates --data-dir DIR --weights CLIP.safetensors

With `--weights`, those of the encoder that made the features in the data set, features
of the copies are computed and used too.
"""

import argparse
import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.records import RESULTS, append_record
from sklearn_mfavb import CLIPFeatures
from sklearn_mfavb.inspection import find_near_duplicates

ENCODER = "ViT-B-16-quickgelu"
FEATURES = "clip_vitb16"


def save_anew(picture: Image.Image) -> Image.Image:
    """Save as JPEG of quality 60 and read again."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Image.open(buffer).convert("RGB")


def halve(picture: Image.Image) -> Image.Image:
    """Reduce to half of the height and the width."""
    return picture.resize((picture.width // 2, picture.height // 2))


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 60": save_anew,
    "half size": halve,
    "mirrored": ImageOps.mirror,
}


def count_pairs(groups: list[list[int]]) -> set[tuple[int, int]]:
    """Return all pairs within groups."""
    return {pair for each in groups for pair in itertools.combinations(each, 2)}


def main() -> None:
    """Measure each kind of copy, and the images without copies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--data", default="rsscn7")
    parser.add_argument("--n-copied", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "near_duplicates.jsonl")
    options = parser.parse_args()
    with np.load(options.data_dir / f"{options.data}.npz") as file:
        pictures = [Image.fromarray(image) for image in file["images"]]
        features = file[FEATURES].astype(np.float32) if options.weights else None
    drawn = np.random.default_rng(options.seed).permutation(len(pictures))
    copied = drawn[: options.n_copied].tolist()
    encoder = None
    if options.weights:
        encoder = CLIPFeatures(ENCODER, options.weights, verbose=1)
    for kind, change in {"none": None, **KINDS}.items():
        copies = [change(pictures[row]) for row in copied] if change else []
        rows: NDArray[np.float32] | None = features
        if encoder is not None and copies:
            sides = [copy.resize(pictures[0].size) for copy in copies]
            images = np.stack([np.asarray(side) for side in sides])
            rows = np.concatenate([features, encoder.fit_transform(images)])
        began_at = time.perf_counter()
        pairs = count_pairs(find_near_duplicates([*pictures, *copies], rows))
        seconds = time.perf_counter() - began_at
        true = {(row, len(pictures) + i) for i, row in enumerate(copied) if copies}
        record = {
            "data": options.data,
            "n_images": len(pictures),
            "n_copied": len(copies),
            "seed": options.seed,
            "kind": kind,
            "features": FEATURES if encoder is not None else None,
            "n_found": len(pairs & true),
            "n_others": len(pairs - true),
            "others": sorted(pairs - true)[:20],
            "seconds": round(seconds, 2),
        }
        append_record(options.out, record)
        print(
            {name: record[name] for name in ("kind", "n_found", "n_others", "others")}
        )


if __name__ == "__main__":
    main()
