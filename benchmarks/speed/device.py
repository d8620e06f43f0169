"""Whether a device waits for its data, and what a fit on it comes to."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from joblib import parallel_config
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images
from skorch.callbacks import Callback
from torch.utils.data import DataLoader

from benchmarks.accuracy import methods
from benchmarks.image_sets import load_image_set
from benchmarks.records import Record
from benchmarks.speed import clock
from benchmarks.speed.cases import read_device_peak, save_random_weights, take_turns
from benchmarks.speed.plan import Plan, Workload
from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.features import _extraction
from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.metrics import clustering_accuracy
from sklearn_mfavb.training import TimeBudget, balanced_batches, split_evenly
from sklearn_mfavb.views import View

PHOTO = (375, 500)  # height and width of JPEG files
N_FEW = 64  # files, read again and again
TINY = {"image_size": 224, "layers": 1, "width": 64, "patch_size": 32}


def measure_loader(plan: Plan, kind: str, side: int, batch_size: int) -> Record:
    """Time batches that are read alone, and beside a device that is busy as long.

    "array" is kept in memory; files in a "folder" are decoded anew for every batch. The
    device is a pause of as long as reading a batch takes: with batches that are read
    ahead, both together should take as long as one. Workers read files "alone" too.
    """
    n_images = batch_size * plan.n_loaded
    with tempfile.TemporaryDirectory() as folder:
        if kind == "array":
            images: Any = clock.make_images(n_images, side)
        else:
            paths = write_photos(Path(folder), min(n_images, N_FEW))
            images = (paths * (n_images // len(paths) + 1))[:n_images]
        dataset = ImageDataset(open_images(images), (side, side))

        def load(n_jobs: int) -> DataLoader[Any]:
            with parallel_config(n_jobs=n_jobs):
                return balanced_batches(dataset, batch_size, torch.device(plan.device))

        loader = load(1)
        alone = clock.time_call(lambda: consume(iter(loader), 0.0))
        pause = alone / len(loader)
        contenders: dict[str, Callable[[], float]] = {
            "alone": lambda: clock.time_call(lambda: consume(iter(loader), 0.0)),
            "ours": lambda: clock.time_call(lambda: consume(iter(loader), pause)),
            "in turn": lambda: clock.time_call(
                lambda: consume(DataLoader.__iter__(loader), pause)
            ),
        }
        for n_jobs in plan.workers[1:] if kind == "folder" else ():
            batches = load(n_jobs)
            contenders[f"alone, n_jobs={n_jobs}"] = lambda batches=batches: (
                clock.time_call(lambda: consume(iter(batches), 0.0))
            )
        seconds = take_turns(contenders, plan.n_rounds)
    return {
        "kind": "comparison",
        "what": f"batches of {batch_size} from a {kind}, {side} px, device as busy",
        "n_images": n_images,
        "n_batches": len(loader),
        "pause": round(pause, clock.N_DIGITS),
        "seconds": seconds,
    }


def consume(batches: Iterator[Any], pause: float) -> None:
    """Take every batch, and pause for each as a device would work on it."""
    for _ in batches:
        time.sleep(pause)


def write_photos(folder: Path, n_photos: int) -> list[str]:
    """Write JPEG files: parts of the two photographs that scikit-learn has."""
    generator, photographs = np.random.default_rng(0), load_sample_images().images
    height, width = PHOTO
    paths = [str(folder / f"{number:04}.jpg") for number in range(n_photos)]
    for number, path in enumerate(paths):
        whole = photographs[number % 2]
        top, left = generator.integers(np.subtract(whole.shape[:2], PHOTO) + 1)
        part = whole[top : top + height, left : left + width]
        Image.fromarray(part).save(path, quality=90)
    return paths


def measure_photos(plan: Plan) -> Record:
    """Time CLIPFeatures on JPEG files by the number of workers.

    With `--weights` the network is theirs, else a tiny one, which hardly takes time.
    "in turn" is one process in which nothing is read ahead of the network. The first
    round, which does not count, starts workers and compares features.
    """
    found: dict[int, NDArray[np.float32]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_photos(Path(folder), plan.n_photos)
        model, weights = methods.CLIP_MODEL, plan.weights
        if weights is None:
            model = add_tiny_model(Path(folder))
            weights = save_random_weights(Path(folder), model)

        def embed(n_jobs: int) -> float:
            encoder = CLIPFeatures(model, weights, device=plan.device, n_jobs=n_jobs)
            encoder.build_encoder()
            start = clock.read_clock(plan.device)
            found[n_jobs] = encoder.transform(paths)
            return round(clock.read_clock(plan.device) - start, clock.N_DIGITS)

        def embed_in_turn() -> float:
            with patch.object(_extraction, "read_ahead", iter):
                return embed(1)

        contenders = {f"n_jobs={n}": partial(embed, n) for n in plan.workers}
        contenders["in turn"] = embed_in_turn
        seconds = take_turns(contenders, plan.n_rounds)
    return {
        "kind": "workers",
        "what": f"features of JPEG files, {PHOTO[1]} x {PHOTO[0]}, {model}",
        "n_images": len(paths),
        "largest_difference": max(
            float(abs(rows - found[1]).max()) for rows in found.values()
        ),
        "seconds": seconds,
    }


def add_tiny_model(folder: Path) -> str:
    """Tell open_clip of a model whose network takes hardly any time."""
    import open_clip

    path = folder / "tiny-of-the-benchmark.json"
    text = {**open_clip.get_model_config("ViT-B-32")["text_cfg"], "layers": 1}
    path.write_text(json.dumps({"embed_dim": 64, "vision_cfg": TINY, "text_cfg": text}))
    open_clip.add_model_config(path)
    return path.stem


def measure_busy(plan: Plan, workload: Workload) -> Record:
    """Measure how long the device computes in a step, how long a step is, and memory.

    Without a GPU the profiler counts operators of the CPU, to see that all runs.
    """
    from torch.profiler import ProfilerActivity, profile

    on_gpu = torch.device(plan.device).type == "cuda"
    n_steps = plan.n_steps
    images = clock.make_images(
        workload.batch_size * (n_steps + clock.N_WARM_UP), workload.image_size
    )
    parameters = workload.parameters(plan.device)
    estimator = methods.make_sized(workload.estimator, **parameters)
    wall = clock.time_steps(estimator, images, n_steps)
    kind = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    watched = Profiled(profile(activities=[kind]), n_steps)
    clock.fit_with(estimator, images, watched)
    events = watched.profiler.key_averages()
    name = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    busy = sum(getattr(event, name) for event in events) / 1e6
    return {
        "kind": "busy",
        "what": f"training, {workload}",
        "n_steps": n_steps,
        "step_seconds": round(wall / n_steps, clock.N_DIGITS),
        "busy_seconds": round(busy / n_steps, clock.N_DIGITS),
        "busy_share": round(busy / wall, 3),
        "peak_mib": round(read_device_peak(plan.device), 1),
    }


class Profiled(Callback):
    """Profile steps after some that warm up, and end the fit."""

    def __init__(self, profiler: Any, n_steps: int) -> None:
        self.profiler = profiler
        self.n_steps = n_steps
        self.n_done = 0

    def on_batch_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin."""
        if self.n_done == clock.N_WARM_UP:
            clock.read_clock(net.device)
            self.profiler.start()

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        """End."""
        self.n_done += 1
        if self.n_done == clock.N_WARM_UP + self.n_steps:
            clock.read_clock(net.device)
            self.profiler.stop()
            raise clock.EnoughSteps


class AccuracyOfHead(Callback):
    """Score the first cluster head after every epoch."""

    def __init__(self, classes: NDArray[np.int64]) -> None:
        self.classes = classes
        self.rows: list[Record] = []

    @torch.no_grad()
    def on_epoch_end(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Label all images."""
        network, found = net.module_.eval(), []
        for part in split_evenly(len(dataset_train), 256):
            images = dataset_train.serve(part)["images"].to(net.device)
            found.append(network(View(images))[:, 0].argmax(dim=1).cpu())
        acc = clustering_accuracy(self.classes, torch.cat(found).numpy())
        self.rows.append({"loss": net.history[-1, "train_loss"], "acc": round(acc, 4)})


def measure_fit(plan: Plan, profile: str | None) -> Record:
    """Fit MFAVB to pixels for some minutes, and record loss and accuracy by epoch.

    With the settings of a profile of the accuracy benchmark, or with the defaults; of
    CIFAR-10's 5,000 images, or of drawn shapes where there is no folder of data.
    """
    if plan.data_dir is None:
        images, classes = make_shape_images(
            plan.n_shapes, n_clusters=4, image_size=32, n_channels=3, random_state=0
        )
        name = f"{plan.n_shapes} drawn shapes"
    else:
        loaded = load_image_set("cifar10_5k", plan.data_dir)
        images, classes, name = loaded.images, loaded.target, "cifar10_5k"
    settings = {} if profile is None else methods.PROFILE_SETTINGS[profile]
    settings = dict(settings.get("MFAVBClustering", {}))
    if plan.is_quick:
        settings |= {"image_size": 8, "batch_size": 16, "max_epochs": 2}
    clusterer = MFAVBClustering(len(np.unique(classes)), random_state=0)
    watch = AccuracyOfHead(classes)
    clusterer.set_params(
        device=plan.device,
        training__callbacks=[TimeBudget(plan.fit_seconds), watch],
        **settings,
    )
    start = clock.read_clock(plan.device)
    clusterer.fit(images)
    seconds = clock.read_clock(plan.device) - start
    return {
        "kind": "fit",
        "what": f"MFAVB from pixels, {name}, {profile or 'defaults'}",
        "image_size": list(clusterer.image_size_),
        "fit_seconds": round(seconds, 1),
        "n_epochs": clusterer.n_iter_,
        "acc": round(clustering_accuracy(classes, clusterer.labels_), 4),
        "epochs": watch.rows,
    }
