"""What becomes of fits, features, models and results when something breaks.

    python benchmarks/faults.py [--faults NAME ...] [--seed 0]
    python benchmarks/faults.py --report

Every fault is done to real estimators of a tiny size, in a temporary folder; what is
killed, told to fit or measured runs in a process of its own. Each is one line in
``results/faults.jsonl``: what was done, what happened, which checks held, seconds.
"""

import argparse
import itertools
import os
import tempfile
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recording import append_record, read_records
from tables import table

NAME = "faults"
HEADER = ["fault", "what was done", "what happened", "nothing lost", "seconds"]


def collect() -> dict[str, Any]:
    """Return all faults by name; imports here keep `--report` light."""
    import faults_disks
    import faults_folders
    import faults_kills
    import faults_names
    import faults_training

    modules = (
        faults_kills,
        faults_folders,
        faults_disks,
        faults_training,
        faults_names,
    )
    faults = itertools.chain.from_iterable(module.FAULTS for module in modules)
    return {fault.name: fault for fault in faults}


def measure(fault: Any, seed: int) -> dict[str, Any]:
    """Do a fault, and say what became of it."""
    import numpy as np

    # Of its own name, so that a fault done alone is the same fault.
    rng = np.random.default_rng([seed, zlib.crc32(fault.name.encode())])
    with tempfile.TemporaryDirectory() as folder:
        began_at = time.perf_counter()
        outcome = fault.run(Path(folder), rng)
        seconds = time.perf_counter() - began_at
    return {
        "fault": fault.name,
        "done": fault.done,
        "happened": outcome.happened,
        "checks": {name: bool(held) for name, held in outcome.checks.items()},
        "nothing_lost": all(outcome.checks.values()),
        "seconds": round(seconds, 1),
        "seed": seed,
    }


def report() -> None:
    """Print the last record of every fault as a table."""
    latest = {record["fault"]: record for record in read_records(NAME)}
    rows = [
        [
            record["fault"],
            record["done"],
            record["happened"],
            describe_checks(record["checks"].items()),
            f"{record['seconds']:.0f}",
        ]
        for record in latest.values()
    ]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    print("\n".join(table(HEADER, cells)))


def describe_checks(checks: Iterable[tuple[str, bool]]) -> str:
    """Say that all held, or which did not."""
    failed = [name for name, held in checks if not held]
    return f"**no: {', '.join(failed)}**" if failed else "yes"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        report()
        return
    # Tiny networks are slower on two threads; children inherit it.
    os.environ["OMP_NUM_THREADS"] = "1"
    faults = collect()
    wanted = options.faults or list(faults)
    if unknown := set(wanted) - set(faults):
        parser.error(f"no faults {sorted(unknown)}; there are {', '.join(faults)}.")
    for name in wanted:
        record = measure(faults[name], options.seed)
        append_record(NAME, record)
        print(f"{name}: {record['happened']} {record['checks']}", flush=True)


if __name__ == "__main__":
    main()
