"""Fit the whole family and its baselines, and record what came of it.

    python benchmarks/run.py --data-dir DIR [--profile NAME] [--methods ...]
        [--datasets ...] [--seeds ...] [--results FILE] [--again]

DIR holds the sets, as ``image_sets.py`` tells; ``digits`` need none. Each
(method, data set, seed, profile) is one fit in a process of its own, and one line in
``results/family.jsonl``. What is recorded is not run again, unless `--again` says so;
several of these programs may share a file. The settings of the profiles are in
``profiles.py``. The number of classes is given to every method; labels only score.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from jobs import ChildFailed, Job, MissingFeatures, Run, measure_in_child
from methods import METHODS
from profiles import PROFILES
from recording import RESULTS, append_to_file, read_file


def planned_runs(options: argparse.Namespace) -> Iterator[Run]:
    """Yield the runs that were asked for, with the first seed everywhere first."""
    runs = product(options.seeds, options.datasets, options.methods)
    for seed, dataset, method in runs:
        yield Run(method, dataset, seed, options.profile)


def recorded_runs(path: Path) -> set[Run]:
    """Return the runs that a file has a record of."""
    return {
        Run(record["method"], record["dataset"], record["seed"], record["profile"])
        for record in read_file(path)
    }


def run_one(job: Job, path: Path) -> str:
    """Fit and record; return what came of it in a word."""
    name = f"{job.run.method}, {job.run.dataset}, seed {job.run.seed}"
    try:
        record = measure_in_child(job)
    except MissingFeatures as reason:
        print(f"skipped: {name}: {reason}.", flush=True)
        return "skipped"
    except ChildFailed as reason:
        print(f"failed: {name}: {reason}.", flush=True)
        return "failed"
    append_to_file(path, record)
    scores = ", ".join(f"{key} {record[key]:.3f}" for key in ("acc", "nmi", "score"))
    print(f"recorded: {name}: {scores}, {record['seconds']:.1f} s.", flush=True)
    return "recorded"


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--profile", choices=PROFILES, default="cpu")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        metavar="METHOD",
        help=f"of: {'; '.join(METHODS)} (default: those of the profile)",
    )
    parser.add_argument("--datasets", nargs="+", help="default: those of the profile")
    parser.add_argument(
        "--seeds", nargs="+", type=int, help="default: those of the profile"
    )
    parser.add_argument("--results", type=Path, default=RESULTS / "family.jsonl")
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    profile = PROFILES[options.profile]
    options.methods = options.methods or profile.methods
    if unknown := ", ".join(set(options.methods) - set(profile.methods)):
        parser.error(f"--profile {options.profile} has no settings for {unknown}.")
    options.datasets = options.datasets or profile.datasets
    options.seeds = options.seeds or profile.seeds
    if options.data_dir is None and set(options.datasets) != {"digits"}:
        parser.error("--data-dir is needed for all sets but digits.")
    return options


def main() -> None:
    """Run what is not recorded; exit with 1 if any of it failed."""
    options = parse_options()
    outcomes: Counter[str] = Counter()
    for run in planned_runs(options):
        # Read anew each time: another program may have recorded it meanwhile.
        if not options.again and run in recorded_runs(options.results):
            outcomes["there before"] += 1
            continue
        outcomes[run_one(Job(run, options.data_dir), options.results)] += 1
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(1 if outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
