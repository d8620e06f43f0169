"""Ours against the plain reference: training, prediction, what fit adds, and CLIP."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from recording import Record
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.utils import to_device
from speed_plan import Plan, Workload, make_images
from speed_reference_loop import PlainPrediction, PlainTraining, try_workers
from speed_timing import (
    count_parameters,
    read_clock,
    take_turns,
    time_call,
    time_fit,
)

from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.training import autocast

CLIP_MODEL = "ViT-B-16-quickgelu"
CLIP_SIDE = 256  # pixels, before resizing
CLIP_BATCH = 64  # images, the default of CLIPFeatures


class MissingWeights(Exception):
    """A case needs a file of weights that was not named."""


def measure_training(plan: Plan, workload: Workload) -> Record:
    """Time training steps between their ends, in turns with those of the reference."""
    n_images = workload.batch_size * plan.n_steps
    images = make_images(n_images, workload.image_size)
    network = workload.make_reference()
    reference = PlainTraining(
        network, images, batch_size=workload.batch_size, device=plan.device
    )
    by_workers = try_workers(lambda n: reference.measure(plan.n_steps, n))
    n_workers = next(iter(by_workers))
    rounds = time_fit(
        workload.make_estimator(plan.device),
        images,
        n_steps=plan.n_steps,
        n_rounds=plan.n_rounds,
        rivals={
            "reference": lambda net, dataset: reference.measure(plan.n_steps, n_workers)
        },
    )
    if rounds.n_parameters != count_parameters(network):
        raise ValueError(
            f"The networks differ: {rounds.n_parameters} parameters are ours, "
            f"{count_parameters(network)} the reference's."
        )
    return {
        "kind": "comparison",
        "what": f"training, {workload}",
        "n_images": n_images,
        "n_steps": plan.n_steps,
        "n_parameters": rounds.n_parameters,
        "precision": rounds.precision,
        "reference_workers": n_workers,
        "reference_seconds_by_workers": by_workers,
        "seconds": rounds.seconds,
    }


def measure_prediction(plan: Plan, workload: Workload) -> Record:
    """Time `predict`, in turns with the reference without gradients."""
    images = make_images(workload.n_predicted, workload.image_size)
    estimator = workload.make_estimator(plan.device).set_params(max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # noise has no clusters
        estimator.fit(images[: workload.batch_size])
    contenders: dict[str, Callable[[], float]] = {
        "ours": lambda: time_call(lambda: estimator.predict(images), plan.device)
    }
    workers: dict[str, int] = {}
    network = workload.make_reference().to(plan.device).eval()
    for name, predict in network.ways_to_predict().items():
        plain = PlainPrediction(
            predict, images, batch_size=workload.batch_size, device=plan.device
        )
        plain.measure(0)  # warms up
        workers[name] = next(iter(try_workers(plain.measure)))
        contenders[name] = partial(plain.measure, workers[name])
    return {
        "kind": "comparison",
        "what": f"predict, {workload}",
        "n_images": len(images),
        "reference_workers": workers,
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def measure_overhead(plan: Plan, workload: Workload) -> Record:
    """Time the epochs of a fit, in turns with a bare loop of the same steps."""
    n_images = workload.batch_size * plan.n_epoch_steps
    rounds = time_fit(
        workload.make_estimator(plan.device),
        make_images(n_images, workload.image_size),
        n_steps=plan.n_epoch_steps,
        n_rounds=2 * plan.n_rounds,  # a difference of a few per cent needs more
        rivals={"bare loop": run_bare_epoch},
    )
    return {
        "kind": "overhead",
        "what": f"epoch of {plan.n_epoch_steps} steps, {workload}",
        "n_images": n_images,
        "n_steps": plan.n_epoch_steps,
        "precision": rounds.precision,
        "seconds": rounds.seconds,
    }


def run_bare_epoch(net: NeuralNet, dataset: Any) -> float:
    """Go once through a data set, with the parts of a fit and nothing around them."""
    device = torch.device(net.device)
    network, contrast, optimizer = net.module_, net.contrast, net.optimizer_
    network.train()
    start = read_clock(device)
    for positions in torch.randperm(len(dataset)).split(net.batch_size):
        batch = to_device(dataset.__getitems__(positions.tolist()), device)
        optimizer.zero_grad()
        views = contrast.draw(batch)
        with autocast(device, net.autocast_dtype):
            outputs = network.forward_views(*views)
        terms = net.criterion_(contrast.positives(*outputs))
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    return read_clock(device) - start


def measure_clip(plan: Plan) -> Record:
    """Time CLIPFeatures, in turns with open_clip called as its documentation shows."""
    if plan.clip_weights is None:
        raise MissingWeights("--weights FILE names none")
    images = make_images(plan.n_embedded, CLIP_SIDE)
    ours = CLIPFeatures(CLIP_MODEL, plan.clip_weights, device=plan.device)
    reference = make_plain_clip(plan)
    contenders = {
        "ours": lambda: time_call(lambda: ours.fit_transform(images), plan.device),
        "reference": lambda: time_call(lambda: reference(images), plan.device),
    }
    return {
        "kind": "comparison",
        "what": f"CLIP features, {CLIP_MODEL}, images of {CLIP_SIDE} px",
        "n_images": len(images),
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def make_plain_clip(plan: Plan) -> Callable[[Any], Any]:
    """Return a function that embeds images in float32."""
    import open_clip
    from PIL import Image
    from safetensors.torch import load_file

    model, _, preprocess = open_clip.create_model_and_transforms(
        CLIP_MODEL, load_weights=False
    )
    model.load_state_dict(load_file(str(plan.clip_weights)), strict=False)
    model.to(plan.device).eval()

    @torch.no_grad()
    def embed(images: Any) -> list[torch.Tensor]:
        features = []
        for start in range(0, len(images), CLIP_BATCH):
            part = images[start : start + CLIP_BATCH]
            batch = torch.stack([preprocess(Image.fromarray(image)) for image in part])
            features.append(model.encode_image(batch.to(plan.device)).cpu())
        return features

    return embed
