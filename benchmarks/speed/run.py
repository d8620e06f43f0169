"""How fast training and prediction are, against a plain script and another checkout.

    python -m benchmarks.speed.run [--only CASE ...] [--quick] [--device DEVICE]
        [--weights FILE] [--data-dir DIR] [--against CHECKOUT] [--results FILE]

Each case is one line in ``results/speed.jsonl``, written as soon as it is measured,
with every repetition. What is compared takes turns. Ours is what users run, `fit` and
`predict`; the plain script is ``reference.py``. FILE of `--weights` holds the image
tower of OpenAI's CLIP ViT-B/16; without it weights are random. DIR has
``cifar10_5k.npz``; without it shapes are drawn. CHECKOUT is the root of another version
of this repository. `--quick` measures at sizes that mean nothing, to see that all runs:
give it a file of its own. ``report.py`` makes tables and a plot.
"""

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.records import RESULTS, Record, append_record
from benchmarks.speed import cases, device
from benchmarks.speed.plan import FULL, GPU, QUICK, Plan


def list_cases(plan: Plan) -> dict[str, Callable[[], Record]]:
    """Name every case."""
    return {
        "ceilings": partial(cases.measure_ceilings, plan),
        "train_vtcc": partial(cases.measure_training, plan, plan.vtcc),
        "train_mfavb": partial(cases.measure_training, plan, plan.mfavb),
        "share_vtcc": partial(cases.measure_share, plan, plan.vtcc),
        "predict_vtcc": partial(cases.measure_prediction, plan, plan.vtcc),
        "predict_mfavb": partial(cases.measure_prediction, plan, plan.mfavb),
        "against_train": partial(cases.measure_against, plan, plan.mfavb, "train"),
        "against_start": partial(cases.measure_against, plan, plan.mfavb, "start"),
        "against_predict": partial(cases.measure_against, plan, plan.mfavb, "predict"),
        **{
            f"against_predict_{n_images}": partial(
                cases.measure_against,
                plan,
                replace(plan.mfavb, n_predicted=n_images),
                "predict",
            )
            for n_images in (1, 16, 1000)
        },
        **{
            f"loader_{kind}_{side}": partial(
                device.measure_loader, plan, kind, side, batch_size
            )
            for kind in ("array", "folder")
            for side, batch_size in ((64, 128), (224, 64))
        },
        "photos": partial(device.measure_photos, plan),
        "busy_vtcc": partial(device.measure_busy, plan, plan.vtcc),
        "busy_mfavb": partial(device.measure_busy, plan, plan.mfavb),
        "fit_defaults": partial(device.measure_fit, plan, None),
        "fit_paper": partial(device.measure_fit, plan, "paper"),
        "clip": partial(cases.measure_features, plan),
        "neighbors": partial(cases.measure_neighbors, plan),
        **{
            f"growth_{curve.axis}": partial(cases.measure_curve, plan, curve)
            for curve in plan.curves
        },
    }


def run_case(name: str, measure: Callable[[], Record], plan: Plan, path: Path) -> str:
    """Measure and record a case; tell what came of it in a word."""
    try:
        measured = measure()
    except cases.Left as reason:
        print(f"skipped: {name}: {reason}.", flush=True)
        return "skipped"
    except Exception:
        traceback.print_exc()
        print(f"failed: {name}.", flush=True)
        return "failed"
    on_gpu = torch.device(plan.device).type == "cuda"
    about = {
        "case": name,
        "quick": plan.is_quick,
        "device": torch.cuda.get_device_name(plan.device) if on_gpu else "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "n_threads": torch.get_num_threads(),
    }
    append_record(path, {**about, **measured})
    print(f"recorded: {name}.", flush=True)
    return "recorded"


def main() -> None:
    """Run what was asked for; exit with 1 if any of it failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="CASE", help="default: all cases")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS / "speed.jsonl")
    options = parser.parse_args()
    on_gpu = torch.device(options.device).type == "cuda"
    plan = replace(
        QUICK if options.quick else GPU if on_gpu else FULL,
        device=options.device,
        weights=options.weights,
        data_dir=options.data_dir,
        against=options.against,
    )
    available = list_cases(plan)
    if unknown := ", ".join(sorted(set(options.only or ()) - available.keys())):
        parser.error(f"no such case: {unknown}; of {', '.join(available)}")
    outcomes = Counter(
        run_case(name, available[name], plan, options.results)
        for name in options.only or available
    )
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(1 if outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
