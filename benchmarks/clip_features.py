"""CLIPFeatures with real weights: agreement, speed, second run, and a killed run.

    python benchmarks/clip_features.py --weights FILE --data-dir DIR

FILE holds the image tower of OpenAI's CLIP ViT-B/16; DIR has ``cifar10_5k.npz``, whose
``clip_vitb16`` are features of the same weights that were made elsewhere. With half
precision in hardware, two cores take six minutes. Writes one line to
``results/clip_features.jsonl``.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from recording import append_record
from safetensors.torch import load_file

from sklearn_mfavb.features import CLIPFeatures, Encoder

MODEL = "ViT-B-16-quickgelu"
N_COMPARED = 200
N_TIMED = 32
N_ROUNDS = 5
N_BEFORE_KILL = 1024


def cosines(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return mean and minimum of the cosine of each pair of rows."""
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    second = second / np.linalg.norm(second, axis=1, keepdims=True)
    values = (first * second).sum(axis=1)
    return {
        "mean": round(float(values.mean()), 5),
        "min": round(float(values.min()), 5),
    }


def open_clip_by_hand(weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that embeds images as open_clip's documentation shows."""
    model, _, preprocess = open_clip.create_model_and_transforms(
        MODEL, load_weights=False
    )
    missing, _ = model.load_state_dict(load_file(weights), strict=False)
    assert not any(name.startswith("visual.") for name in missing)
    model.eval()

    def embed(images: np.ndarray) -> np.ndarray:
        batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        with torch.no_grad():
            return model.encode_image(batch).numpy()

    return embed


def compare_speed(
    contenders: dict[str, Callable[[np.ndarray], np.ndarray]], images: np.ndarray
) -> dict[str, float]:
    """Return images per second of each contender: medians of alternating rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(N_ROUNDS + 1):
        for name, embed in contenders.items():
            start = time.perf_counter()
            embed(images)
            # The first round builds encoders and warms up.
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: round(len(images) / statistics.median(times), 2)
        for name, times in seconds.items()
    }


def run_child(arguments: list[str], watch: Path | None = None) -> dict[str, Any]:
    """Embed everything in a new process; kill it once `watch` holds enough rows."""
    child = subprocess.Popen(
        [sys.executable, __file__, *arguments, "--child"],
        stdout=subprocess.PIPE,
        text=True,
    )
    while watch is not None and child.poll() is None:
        if stored_rows(watch) >= N_BEFORE_KILL:
            child.kill()
            break
        time.sleep(0.2)
    output, _ = child.communicate()
    return json.loads(output) if output else {}


def stored_rows(folder: Path) -> int:
    """Count the rows on disk."""
    return sum(len(np.load(path)["keys"]) for path in folder.rglob("*.npz"))


def embed_everything(options: argparse.Namespace) -> None:
    """Embed all images with a cache, and print what that took."""
    images = np.load(options.data_dir / "cifar10_5k.npz")["images"][: options.n_images]
    n_embedded = 0
    embed = Encoder.embed

    def counted(self: Encoder, batch: torch.Tensor, **options: Any) -> torch.Tensor:
        nonlocal n_embedded
        n_embedded += len(batch)
        return embed(self, batch, **options)

    Encoder.embed = counted  # type: ignore[method-assign]
    start = time.perf_counter()
    features = CLIPFeatures(MODEL, options.weights, cache_dir=options.cache_dir)
    rows = features.fit_transform(images)
    seconds = time.perf_counter() - start
    checksum = float(np.abs(rows).sum(dtype=np.float64))
    print(
        json.dumps({"seconds": seconds, "n_embedded": n_embedded, "checksum": checksum})
    )


def measure_cache(arguments: list[str], folder: Path) -> dict[str, Any]:
    """Kill a first run, resume it, and repeat it in a new process."""
    arguments = [*arguments, "--cache-dir", str(folder)]
    run_child(arguments, watch=folder)
    n_kept = stored_rows(folder)
    resumed = run_child(arguments)
    repeated = run_child(arguments)
    return {
        "n_kept_after_kill": n_kept,
        "n_embedded_on_resume": resumed["n_embedded"],
        "n_embedded_on_second_run": repeated["n_embedded"],
        "second_run_seconds": round(repeated["seconds"], 3),
        "second_run_is_equal": resumed["checksum"] == repeated["checksum"],
    }


def main() -> None:
    """Measure everything and record it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--n-images", type=int, default=5000)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        embed_everything(options)
        return
    data = np.load(options.data_dir / "cifar10_5k.npz")
    images, stored = data["images"], data["clip_vitb16"].astype(np.float32)
    exact = CLIPFeatures(MODEL, options.weights, precision="float32")
    automatic = CLIPFeatures(MODEL, options.weights)
    by_hand = open_clip_by_hand(options.weights)
    sample = images[:N_COMPARED]
    features = exact.fit_transform(sample)
    record: dict[str, Any] = {
        "n_threads": torch.get_num_threads(),
        "n_images": options.n_images,
        "cosine_to_stored": cosines(features, stored[:N_COMPARED]),
        "cosine_to_open_clip_with_rounding": cosines(features, by_hand(sample)),
        "cosine_of_auto_to_float32": cosines(automatic.fit_transform(sample), features),
    }
    print(record, flush=True)
    record["images_per_second"] = compare_speed(
        {
            "open_clip by hand, float32": by_hand,
            "CLIPFeatures, float32": exact.fit_transform,
            "CLIPFeatures, auto": automatic.fit_transform,
        },
        images[:N_TIMED],
    )
    print(record["images_per_second"], flush=True)
    paths = ["--weights", str(options.weights), "--data-dir", str(options.data_dir)]
    with tempfile.TemporaryDirectory() as folder:
        record |= measure_cache(
            [*paths, "--n-images", str(options.n_images)], Path(folder)
        )
    append_record("clip_features", record)
    print(record, flush=True)


if __name__ == "__main__":
    main()
