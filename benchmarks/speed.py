"""How fast training and prediction are, against a plain script and the machine itself.

    python benchmarks/speed.py [--only CASE ...] [--profile] [--quick] [--device DEVICE]
        [--weights FILE] [--results FILE]

Each case is one line in ``results/speed.jsonl``, written as soon as it is measured,
with every repetition. What is compared takes turns in one process, at least five times.
Ours is what users run, `fit` and `predict` of the estimators; the reference is in
``speed_reference.py``. FILE of `--weights` holds the image tower of OpenAI's CLIP
ViT-B/16; without it that case is left out. `--quick` measures at sizes that mean
nothing, to see that all runs: give it a file of its own. ``report.py --speed`` makes
tables and a plot. Alone on two cores all cases take some 20 minutes.
"""

import argparse
import importlib.metadata
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from recording import RESULTS, Record, append_to_file
from speed_cases import (
    MissingWeights,
    measure_clip,
    measure_overhead,
    measure_prediction,
    measure_training,
)
from speed_ceilings import measure_ceilings, measure_share
from speed_growth import measure_curve, measure_neighbors
from speed_plan import Plan, make_plan
from speed_profile import profile_step

from sklearn_mfavb.training import resolve_device

PROFILES = ("profile_mfavb", "profile_vtcc")
LIBRARIES = ("torchvision", "pillow", "open_clip_torch")  # of the reference


def list_cases(plan: Plan) -> dict[str, Callable[[], Record]]:
    """Name every case."""
    return {
        "ceilings": partial(measure_ceilings, plan),
        "train_vtcc": partial(measure_training, plan, plan.vtcc),
        "train_mfavb": partial(measure_training, plan, plan.mfavb),
        "share_vtcc": partial(measure_share, plan),
        "predict_vtcc": partial(measure_prediction, plan, plan.vtcc),
        "predict_mfavb": partial(measure_prediction, plan, plan.mfavb),
        "overhead_mfavb": partial(measure_overhead, plan, plan.mfavb),
        "overhead_small": partial(measure_overhead, plan, plan.small),
        "clip": partial(measure_clip, plan),
        "neighbors": partial(measure_neighbors, plan),
        **{
            f"growth_{curve.axis}": partial(measure_curve, plan, curve)
            for curve in plan.curves
        },
        "profile_mfavb": partial(profile_step, plan, plan.mfavb),
        "profile_vtcc": partial(profile_step, plan, plan.vtcc),
    }


def run_case(name: str, measure: Callable[[], Record], plan: Plan, path: Path) -> str:
    """Measure and record a case; return what came of it in a word."""
    try:
        measured = measure()
    except MissingWeights as reason:
        print(f"skipped: {name}: {reason}.", flush=True)
        return "skipped"
    except Exception:
        traceback.print_exc()
        print(f"failed: {name}.", flush=True)
        return "failed"
    on_gpu = plan.device.type == "cuda"
    about = {
        "case": name,
        "quick": plan.is_quick,
        "device": torch.cuda.get_device_name(plan.device) if on_gpu else "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "n_threads": torch.get_num_threads(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    append_to_file(path, {**about, **measured})
    print(f"recorded: {name}.", flush=True)
    return "recorded"


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="CASE", help="default: all cases")
    parser.add_argument(
        "--profile",
        action="store_const",
        dest="only",
        const=PROFILES,
        help=f"the same as --only {' '.join(PROFILES)}",
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS / "speed.jsonl")
    options = parser.parse_args()
    options.plan = make_plan(
        is_quick=options.quick,
        device=resolve_device(options.device),
        clip_weights=options.weights,
    )
    options.cases = list_cases(options.plan)
    unknown = sorted(set(options.only or ()) - options.cases.keys())
    if unknown:
        parser.error(
            f"no such case: {', '.join(unknown)}; of {', '.join(options.cases)}"
        )
    return options


def main() -> None:
    """Run what was asked for; exit with 1 if any of it failed."""
    options = parse_options()
    outcomes = Counter(
        run_case(name, options.cases[name], options.plan, options.results)
        for name in options.only or options.cases
    )
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(1 if outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
