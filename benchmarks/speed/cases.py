"""Ours against a plain script, another checkout and the machine; how cost grows."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.accuracy import methods
from benchmarks.records import Record, read_peak, run_in_child
from benchmarks.speed import clock
from benchmarks.speed.plan import N_CLUSTERS, Curve, Plan, Workload
from benchmarks.speed.reference import make_reference
from benchmarks.speed.reference_loops import (
    PlainPrediction,
    PlainTraining,
    embed_by_open_clip,
    try_workers,
)
from sklearn_mfavb.neighbors import nearest_neighbors

CLIP_SIDE = 256  # pixels, before resizing
WIDTH, N_NEIGHBORS = 512, 20

Seconds = dict[str, list[float]]  # by contender, one number for each repetition


class Left(Exception):
    """A case needs an option that was not given."""


def take_turns(contenders: Mapping[str, Callable[[], float]], n_rounds: int) -> Seconds:
    """Let contenders measure themselves in turns; a first round warms up."""
    rounds = [
        {name: measure() for name, measure in contenders.items()}
        for _ in range(n_rounds + 1)
    ]
    return {name: [round_[name] for round_ in rounds[1:]] for name in contenders}


def measure_training(plan: Plan, workload: Workload) -> Record:
    """Time training steps, in turns with those of the reference."""
    n_images = workload.batch_size * (plan.n_steps + clock.N_WARM_UP + 1)
    images = clock.make_images(n_images, workload.image_size)
    network = make_reference(workload)
    reference = PlainTraining(network, images, workload.batch_size, plan.device)
    by_workers = try_workers(lambda n: reference.measure(plan.n_steps, n))
    n_workers = next(iter(by_workers))
    estimator = methods.make_sized(
        workload.estimator, **workload.parameters(plan.device)
    )
    ours = clock.fit_steps(estimator, images, 1, 0).n_parameters
    theirs = sum(parameter.numel() for parameter in network.parameters())
    if ours != theirs:
        raise ValueError(f"The networks differ: {ours} parameters, and {theirs}.")
    contenders = {
        "ours": lambda: clock.time_steps(estimator, images, plan.n_steps),
        "reference": lambda: reference.measure(plan.n_steps, n_workers),
    }
    return {
        "kind": "comparison",
        "what": f"training, {workload}",
        "n_images": workload.batch_size * plan.n_steps,
        "n_parameters": ours,
        "reference_seconds_by_workers": by_workers,
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def measure_prediction(plan: Plan, workload: Workload) -> Record:
    """Time `predict`, in turns with the reference without gradients."""
    images = clock.make_images(workload.n_predicted, workload.image_size)
    estimator = methods.make_sized(
        workload.estimator, **workload.parameters(plan.device)
    )
    clock.fit_shortly(estimator, images[: workload.batch_size])
    network = make_reference(workload).to(plan.device).eval()
    plain = PlainPrediction(network, images, workload.batch_size, plan.device)
    by_workers = try_workers(plain.measure)
    n_workers = next(iter(by_workers))
    contenders = {
        "ours": lambda: clock.time_call(lambda: estimator.predict(images), plan.device),
        "reference": lambda: plain.measure(n_workers),
    }
    return {
        "kind": "comparison",
        "what": f"predict, {workload}",
        "n_images": len(images),
        "reference_seconds_by_workers": by_workers,
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def measure_against(plan: Plan, workload: Workload, what: str) -> Record:
    """Time this checkout in turns with another, in processes of their own."""
    if plan.against is None:
        raise Left("--against CHECKOUT names none")
    n_trained = workload.batch_size * plan.n_steps
    task = {
        "what": what,
        "estimator": workload.estimator,
        "parameters": workload.parameters(plan.device),
        "image_size": workload.image_size,
        "n_steps": plan.n_steps,
        "n_images": workload.n_predicted if what == "predict" else 2 * n_trained,
    }
    checkouts = {"ours": Path(__file__).parents[2], "before": plan.against}

    def start(checkout: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, clock.__file__, json.dumps(task)],
            env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure_start(checkout: Path) -> float:
        return float(start(checkout).communicate()[0])

    with contextlib.ExitStack() as stack:
        if what == "start":  # every turn is a process
            measures = {n: partial(measure_start, c) for n, c in checkouts.items()}
        else:
            processes = {
                name: stack.enter_context(start(checkout))
                for name, checkout in checkouts.items()
            }
            measures = {n: partial(take_turn, p) for n, p in processes.items()}
        seconds = take_turns(measures, plan.n_rounds)
    return {
        "kind": "comparison",
        "what": f"{what}, old against new, {workload}",
        "clock": "processor",
        "load": os.getloadavg()[0],
        "keeps_memory": "MALLOC_TRIM_THRESHOLD_" in os.environ,
        "n_images": workload.n_predicted if what == "predict" else n_trained,
        "seconds": seconds,
    }


def take_turn(process: subprocess.Popen[str]) -> float:
    """Ask a process of `clock` for a turn, and read its seconds."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def measure_features(plan: Plan) -> Record:
    """Time CLIPFeatures, in turns with open_clip called as its documentation shows."""
    images = clock.make_images(plan.n_embedded, CLIP_SIDE)
    with tempfile.TemporaryDirectory() as folder:
        weights = plan.weights or save_random_weights(Path(folder))
        ours = methods.make_encoder(weights, plan.device)
        ours.fit(images[:1])  # reads the file
        embed = embed_by_open_clip(methods.CLIP_MODEL, weights, plan.device)
    contenders = {
        "ours": lambda: clock.time_call(
            lambda: ours.fit_transform(images), plan.device
        ),
        "reference": lambda: clock.time_call(lambda: embed(images), plan.device),
    }
    return {
        "kind": "comparison",
        "what": f"CLIP features, {methods.CLIP_MODEL}, images of {CLIP_SIDE} px",
        "n_images": len(images),
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def save_random_weights(folder: Path, model: str = methods.CLIP_MODEL) -> Path:
    """Save the image tower of a model of open_clip, untrained: as fast as another."""
    import open_clip
    from safetensors.torch import save_file

    tower = open_clip.create_model(model, load_weights=False).visual.state_dict()
    path = folder / "tower.safetensors"
    save_file(
        {f"visual.{name}": part.contiguous() for name, part in tower.items()}, path
    )
    return path


def measure_neighbors(plan: Plan) -> Record:
    """Measure the neighbors of many features, and the memory beside the features."""
    measured = run_in_child(seek_neighbors, plan.n_rows, plan.device)
    what = f"{N_NEIGHBORS} neighbors of {plan.n_rows} features, width {WIDTH}"
    return {"kind": "neighbors", "what": what, **measured}


def seek_neighbors(n_rows: int, device: str) -> Record:
    """Time the search in this process."""
    rows = np.random.default_rng(0).standard_normal((n_rows, WIDTH), dtype=np.float32)
    nearest_neighbors(rows[:1000], N_NEIGHBORS, device=device)  # warms up
    before = read_device_peak(device)
    seconds = clock.time_call(
        lambda: nearest_neighbors(rows, N_NEIGHBORS, device=device), device
    )
    rise = round(read_device_peak(device) - before, 1)
    return {"seconds": {"ours": [seconds]}, "rise_mib": rise}


def measure_curve(plan: Plan, curve: Curve) -> Record:
    """Measure training at every point of a curve, each in a process of its own."""
    points = [{**plan.point, curve.axis: value} for value in curve.values]
    return {
        "kind": "growth",
        "what": f"MFAVB, training, by {curve.label}",
        "axis": curve.axis,
        "label": curve.label,
        "points": [
            {**point, **run_in_child(train_at, point, plan.n_rounds, plan.device)}
            for point in points
        ],
    }


def train_at(point: dict[str, int], n_rounds: int, device: str) -> Record:
    """Time single steps in this process, and the memory that a fit adds to images."""
    sizes = dict(point)
    images = clock.make_images(sizes.pop("n_images"), point["image_size"])
    estimator = methods.make_sized(
        "MFAVBClustering", n_clusters=N_CLUSTERS, device=device, random_state=0, **sizes
    )
    estimator.set_params(batch_size=8)
    clock.fit_steps(estimator, images[:16], 1, 0)  # loads what any fit loads
    estimator.set_params(batch_size=point["batch_size"])
    before = read_device_peak(device)
    ends = clock.fit_steps(estimator, images, n_rounds, 2).ends
    seconds = np.diff(ends)[-n_rounds:].round(clock.N_DIGITS).tolist()
    return {"seconds": seconds, "rise_mib": round(read_device_peak(device) - before, 1)}


def read_device_peak(device: str) -> float:
    """Read the peak of the memory that this process took, where it works, in MiB."""
    on_gpu = torch.device(device).type == "cuda"
    return torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else read_peak()


class Product:
    """Matrix products of one shape and type, as many as a repetition needs."""

    def __init__(
        self, shape: tuple[int, int, int], dtype: torch.dtype, plan: Plan
    ) -> None:
        n_rows, n_inner, n_columns = shape
        self.left = torch.randn(n_rows, n_inner).to(plan.device, dtype)
        self.right = torch.randn(n_columns, n_inner).to(plan.device, dtype)
        flop = 2 * n_rows * n_inner * n_columns
        self.n_products = max(1, round(plan.matrix_flop / flop))
        self.flop = flop * self.n_products
        self.device = plan.device

    def measure(self) -> float:
        """Time all products."""
        start = clock.read_clock(self.device)
        for _ in range(self.n_products):
            F.linear(self.left, self.right)
        return round(clock.read_clock(self.device) - start, clock.N_DIGITS)


def make_products(plan: Plan, dtype: torch.dtype) -> dict[str, Product]:
    """Prepare a large product, and that of a vision transformer's layer."""
    name = str(dtype).removeprefix("torch.")
    return {
        f"{name} product, {' x '.join(map(str, shape))}": Product(shape, dtype, plan)
        for shape in plan.products
    }


def measure_ceilings(plan: Plan) -> Record:
    """Measure matrix products in two types, and a copy."""
    products = make_products(plan, torch.float32) | make_products(plan, torch.bfloat16)
    source = torch.zeros(plan.copied_bytes, dtype=torch.uint8, device=plan.device)
    target = torch.ones_like(source)  # touched, so that it has pages
    contenders: dict[str, Callable[[], float]] = {
        name: product.measure for name, product in products.items()
    }
    contenders["copy"] = lambda: clock.time_call(
        lambda: target.copy_(source), plan.device
    )
    return {
        "kind": "ceilings",
        "flop": {name: product.flop for name, product in products.items()},
        "bytes": {"copy": 2 * plan.copied_bytes},  # read once, and written once
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def measure_share(plan: Plan, workload: Workload) -> Record:
    """Hold the matrix operations of training steps against bfloat16 products."""
    n_images = workload.batch_size * (plan.n_steps + clock.N_WARM_UP + 1)
    images = clock.make_images(n_images, workload.image_size)
    parameters = workload.parameters(plan.device)
    estimator = methods.make_sized(workload.estimator, **parameters)
    products = make_products(plan, torch.bfloat16)
    flop = {name: product.flop for name, product in products.items()}
    ours = {"ours": lambda: clock.time_steps(estimator, images, plan.n_steps)}
    rivals = {name: product.measure for name, product in products.items()}
    return {
        "kind": "share",
        "what": f"matrix operations of a training step, {workload}",
        "flop": {"ours": count_step(workload) * plan.n_steps, **flop},
        "seconds": take_turns({**ours, **rivals}, plan.n_rounds),
    }


def count_step(workload: Workload) -> int:
    """Count the operations in the matrix products and convolutions of a step.

    Those of the plain network, forward and backward, whatever ours does: work that an
    implementation adds, such as to compute something again, is no merit.
    """
    with torch.device("meta"):
        network = make_reference(workload)
        view = torch.empty(workload.batch_size, 3, *[workload.image_size] * 2)
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # it computes its weights twice
    with FlopCounterMode(display=False) as counter:
        network.loss(*[view] * (2 * network.n_pairs)).backward()
    return counter.get_total_flops()
