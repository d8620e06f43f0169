"""The table of faults: what the page shows is what was recorded."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_page_shows_the_report():
    """The table of the page is the output of the program, and nothing was lost."""
    program = ROOT / "benchmarks" / "faults.py"
    done = subprocess.run(
        [sys.executable, program, "--report"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout in (ROOT / "docs" / "faults.md").read_text("utf-8")
    lines = (ROOT / "benchmarks/results/faults.jsonl").read_text("utf-8").splitlines()
    latest = {record["fault"]: record for record in map(json.loads, lines)}
    assert all(record["nothing_lost"] for record in latest.values())
