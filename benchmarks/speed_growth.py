"""How cost grows, in time and memory; every point in a process of its own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from jobs import PRELOADED
from recording import Record, read_peak
from speed_plan import N_CLUSTERS, Curve, Plan, Point, make_images
from speed_timing import N_DIGITS, time_call, time_fit

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.neighbors import nearest_neighbors

WIDTH, N_NEIGHBORS = 512, 20


def run_in_child(function: Callable[..., Record], *arguments: Any) -> Record:
    """Call a function in a fresh process, whose peak memory is its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, "torchvision"])
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def measure_neighbors(plan: Plan) -> Record:
    """Measure the neighbours of many features, and the memory beside the features."""
    n_rounds = 1 if plan.n_rows > 10_000 else plan.n_rounds
    measured = run_in_child(seek_neighbors, plan.n_rows, n_rounds, plan.device)
    return {
        "kind": "neighbors",
        "what": f"{N_NEIGHBORS} neighbours of {plan.n_rows} features, width {WIDTH}",
        **measured,
    }


def seek_neighbors(n_rows: int, n_rounds: int, device: torch.device) -> Record:
    """Time the search in this process."""
    rows = np.random.default_rng(0).standard_normal((n_rows, WIDTH), dtype=np.float32)
    search = partial(nearest_neighbors, rows, N_NEIGHBORS, device=device)
    nearest_neighbors(rows[:1000], N_NEIGHBORS, device=device)  # warms up
    before = read_device_peak(device)
    seconds = [round(time_call(search, device), N_DIGITS) for _ in range(n_rounds)]
    return {
        "seconds": {"ours": seconds},
        "feature_mib": rows.nbytes / 2**20,
        "rise_mib": round(read_device_peak(device) - before, 1),
    }


def measure_curve(plan: Plan, curve: Curve) -> Record:
    """Measure training at every point of a curve."""
    points = [
        {
            **point._asdict(),
            "n_tokens": point.n_tokens,
            **run_in_child(train_at, point, plan.n_rounds, plan.device),
        }
        for point in curve.points
    ]
    return {
        "kind": "growth",
        "what": f"MFAVB, training, by {curve.label}",
        "axis": curve.axis,
        "label": curve.label,
        "points": points,
    }


def train_at(point: Point, n_rounds: int, device: torch.device) -> Record:
    """Time single steps in this process, and the memory that a fit adds to images."""
    estimator = MFAVBClustering(
        N_CLUSTERS,
        image_size=point.image_size,
        patch_size=4,
        embed_dim=point.embed_dim,
        n_blocks=point.n_blocks,
        shared_depth=1,
        fused_depth=1,
        batch_size=point.batch_size,
        device=str(device),
        random_state=0,
    )
    images = make_images(point.n_images, point.image_size)
    # Loads what any fit loads.
    time_fit(estimator.set_params(batch_size=8), images[:16], n_steps=1, n_rounds=1)
    estimator.set_params(batch_size=point.batch_size)
    before = read_device_peak(device)
    rounds = time_fit(estimator, images, n_steps=1, n_rounds=n_rounds)
    return {
        "precision": rounds.precision,
        "seconds": rounds.seconds["ours"],
        "rise_mib": round(read_device_peak(device) - before, 1),
    }


def read_device_peak(device: torch.device) -> float:
    """Return the peak of the memory that this process took, where it works, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return read_peak()
