"""What ``import sklearn_mfavb`` costs above torch, scikit-learn and skorch.

    python benchmarks/import_time.py [--runs 9]

The two imports alternate, each in a new process, after one warm-up of both.
"""

import argparse
import statistics
import subprocess
import sys
import time

from recording import append_record

BASE = "import torch, sklearn, skorch"
OURS = f"{BASE}; import sklearn_mfavb"


def seconds(code: str) -> float:
    """Time a new interpreter that runs some code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    n_runs = parser.parse_args().runs
    pairs = [(seconds(BASE), seconds(OURS)) for _ in range(n_runs + 1)][1:]
    record = {
        "base_seconds": round(statistics.median(base for base, _ in pairs), 3),
        "ours_seconds": round(statistics.median(ours for _, ours in pairs), 3),
        "extra_seconds": round(statistics.median(o - b for b, o in pairs), 3),
        "n_runs": n_runs,
    }
    append_record("import_time", record)
    print(record)


if __name__ == "__main__":
    main()
