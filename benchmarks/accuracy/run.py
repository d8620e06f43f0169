"""Cluster data sets by methods, and record what came of it.

    python -m benchmarks.accuracy.run --data-dir DIR [--profile NAME] [--methods ...]
        [--datasets ...] [--seeds ...] [--features NAME[=FILE] ...] [--results FILE]
        [--again]

DIR holds the sets, ``NAME.npz`` or class folders in ``NAME``; ``digits`` need none.
With `--features` methods look at features instead of pixels: at the array NAME of a
set's ``.npz``, or at a FILE (``.npy``), in whose path ``{dataset}`` is the set; several
names are several encoders. Each (method, set, seed, profile, features) is one fit in a
process of its own and one line in ``results/accuracy.jsonl``. What is recorded is not
run again, and several of these programs may share a file. Every method is told the
number of classes; labels only score.
"""

import argparse
import sys
import traceback
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from itertools import product
from pathlib import Path

from benchmarks.accuracy.data import MissingFeatures
from benchmarks.accuracy.fitting import measure
from benchmarks.accuracy.methods import METHODS
from benchmarks.accuracy.profiles import PROFILES
from benchmarks.records import (
    RESULTS,
    Record,
    append_record,
    read_records,
    run_in_child,
    select,
)

KEYS = ("method", "dataset", "seed", "profile", "features")


def run_one(run: Record, options: argparse.Namespace) -> str:
    """Fit and record; tell what came of it in a word."""
    name = f"{run['method']}, {run['dataset']}, seed {run['seed']}"
    try:
        record = run_in_child(measure, run, options.data_dir, options.features)
    except MissingFeatures as reason:
        print(f"skipped: {name}: {reason}.", flush=True)
        return "skipped"
    except BrokenProcessPool:
        print(f"failed: {name}: its process was killed.", flush=True)
        return "failed"
    except Exception:
        traceback.print_exc()
        print(f"failed: {name}.", flush=True)
        return "failed"
    append_record(options.results, record)
    found = record.get("acc", record.get("estimated"))
    print(f"recorded: {name}: {found:.3f}, {record['seconds']:.1f} s.", flush=True)
    return "recorded"


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--profile", choices=PROFILES, default="from_scratch")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD")
    parser.add_argument("--datasets", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--features", nargs="+", default=[], metavar="NAME[=FILE]")
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.jsonl")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    for name in ("methods", "datasets", "seeds"):  # those of the profile by default
        given = getattr(options, name)
        setattr(options, name, given or getattr(PROFILES[options.profile], name))
    if options.data_dir is None and set(options.datasets) != {"digits"}:
        parser.error("--data-dir is needed for all sets but digits.")
    return options


def main() -> None:
    """Run what is not recorded, the first seed everywhere first."""
    options = parse_options()
    encoders = [spec.partition("=")[0] for spec in options.features] or None
    outcomes: Counter[str] = Counter()
    for seed, dataset, method in product(
        options.seeds, options.datasets, options.methods
    ):
        values = (method, dataset, seed, options.profile, encoders)
        run = dict(zip(KEYS, values, strict=True))
        # Read anew each time: another program may have recorded it meanwhile.
        if not options.again and select(read_records(options.results), **run):
            outcomes["there before"] += 1
        else:
            outcomes[run_one(run, options)] += 1
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(1 if outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
