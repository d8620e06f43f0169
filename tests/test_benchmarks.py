"""The benchmarks: records become tables, pages show them, every method is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_mfavb import estimators

ROOT = Path(__file__).parents[1]
ACCURACY = """\
ACC, pixels alone; seeds: 1 to 3.

| method | digits |
| --- | --- |
| k-means | 0.990 |
| MFAVBClustering | **0.700** ± 0.082 |

### digits (smoke)

Pixels alone; images: 1797; pixels: 8 x 8; clusters: 10; device: cpu; threads: 1.

| method | ACC | lowest ACC | score | seeds | seconds |
| --- | --- | --- | --- | --- | --- |
| k-means | 0.990 | 0.990 | 0.700 | 1 | 1.0 |
| MFAVBClustering | **0.700** ± 0.082 | 0.600 | 0.700 | 3 | 1.0 |

Settings; all else has its default.

| method | settings | data sets |
| --- | --- | --- |
| MFAVBClustering | `max_epochs=20` | digits |
"""


def run_program(name, *arguments):
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def write(path, records):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def accuracy_record(method, seed, acc, **changes):
    record = {"method": method, "dataset": "digits", "seed": seed, "profile": "smoke"}
    record |= {"features": None, "n_images": 1797, "image_size": [8, 8]}
    record |= {"n_clusters": 10, "acc": acc, "score": 0.7, "seconds": 1.0}
    record |= {"settings": {}, "device": "cpu", "n_threads": 1}
    return {**record, **changes}


@pytest.fixture
def family():
    """Return records of three seeds, one of them measured twice, and of a rival."""
    settings = {"max_epochs": 20}
    scores = ((0, 0.1), (1, 0.7), (2, 0.8), (0, 0.6))
    return [
        *(accuracy_record("MFAVBClustering", *s, settings=settings) for s in scores),
        accuracy_record("k-means", 0, 0.99),
    ]


def test_accuracy_report_averages_the_last_records(family, tmp_path):
    """Means, deviations, lowest and medians; a single seed is not the best."""
    path = write(tmp_path / "accuracy.jsonl", family)
    done = run_program("accuracy.report", "--results", path)
    assert done.stdout[done.stdout.index("ACC, pixels") :] == ACCURACY, done.stderr


def test_two_files_are_compared_by_the_seeds_of_both(family, tmp_path):
    """The difference is that of equal method, set and seed."""
    old = write(tmp_path / "old.jsonl", family)
    faster = [{**r, "acc": r["acc"] + 0.1 * r["seed"], "seconds": 0.5} for r in family]
    new = write(tmp_path / "new.jsonl", [r for r in faster if r["seed"] > 0])
    done = run_program("accuracy.report", "--results", new, "--against", old)
    (row,) = done.stdout.splitlines()[2:]
    assert row.endswith("| smoke | 0.750 | 0.900 | +0.150 ± 0.050 | 2 | 0.50 |")


def tables(text):
    return re.findall(r"(?:^\| (?:method|set) \|.*\n)(?:^\|.*\n)+", text, re.MULTILINE)


def test_pages_show_what_the_reports_print():
    """No table of results was typed by hand."""
    for room in ("accuracy", "speed"):
        printed = run_program(f"{room}.report").stdout
        kept = ROOT / "benchmarks" / "results" / f"{room}.md"
        assert printed == kept.read_text("utf-8")
    results = ROOT / "benchmarks" / "results"
    for name in ("rivals", "fashion", "from_scratch", "halves"):
        printed = run_program("accuracy.report", "--results", results / f"{name}.jsonl")
        assert printed.stdout == (results / f"{name}.md").read_text("utf-8")
    rebuilt = ("--results", results / "rebuilt.jsonl")
    compared = ("--against", results / "accuracy.jsonl")
    printed = run_program("accuracy.report", *rebuilt, *compared).stdout
    printed += "\n" + run_program("accuracy.report", *rebuilt).stdout
    assert printed == (results / "rebuilt.md").read_text("utf-8")
    names = ("accuracy", "rivals", "fashion", "from_scratch", "halves")
    kept = (results / f"{name}.md" for name in names)
    accuracy = printed + "".join(path.read_text("utf-8") for path in kept)
    for page, n_tables in (
        ("README.md", 2),
        ("docs/measured.md", 6),
        ("docs/n_clusters.md", 1),
    ):
        shown = tables((ROOT / page).read_text("utf-8"))
        assert len(shown) >= n_tables
        assert [table for table in shown if table not in accuracy] == []


@pytest.mark.parametrize("name", ["accuracy", "speed"])
def test_report_without_records_says_what_to_do(name, tmp_path):
    done = run_program(f"{name}.report", "--results", tmp_path / "nothing.jsonl")
    assert done.returncode == 2
    assert "nothing.jsonl holds no records: run run.py first." in done.stderr


def test_table_of_methods_covers_every_estimator(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.accuracy import methods

    public = {name for name in estimators.__all__ if name.endswith("Clustering")}
    assert public <= set(methods.METHODS)
    for name in methods.METHODS:
        made = methods.make(name, 3, 7, settings={}, widths=(5,))
        if name in public:
            assert type(made) is getattr(estimators, name)
            assert (made.n_clusters, made.random_state) == (3, 7)


@pytest.mark.slow
def test_runs_record_every_method_once(tmp_path):
    """The smoke profile leaves a record of each, from pixels and from two encoders."""
    path = tmp_path / "smoke.jsonl"
    options = ["--profile", "smoke", "--results", path]
    done = run_program("accuracy.run", *options)
    assert done.returncode == 0, done.stderr
    n_recorded = int(done.stdout.split()[-2])
    assert f"{n_recorded} recorded\n" in done.stdout
    again = run_program("accuracy.run", *options)
    assert again.stdout == f"{n_recorded} there before\n"
    for width in (5, 6):
        rows = np.random.default_rng(width).normal(size=(1797, width))
        np.save(tmp_path / f"{width}_digits.npy", rows)
    named = [f"f{width}={tmp_path}/{width}_{{dataset}}.npy" for width in (5, 6)]
    chosen = ["--methods", "k-means", "MFAVBClustering", "--features", *named]
    done = run_program("accuracy.run", *options, *chosen)
    assert done.stdout.endswith("2 recorded\n"), done.stderr
    last = json.loads(path.read_text().splitlines()[-1])
    assert last["features"] == ["f5", "f6"]
    assert sum(last["cluster_sizes"]) == last["n_images"] == 200
    assert last["versions"].keys() >= {"torch", "scikit-learn"}


@pytest.mark.slow
def test_quick_run_of_speed_records_what_takes_turns(tmp_path):
    """Ours and the plain script, whose network has as many parameters."""
    path = tmp_path / "speed.jsonl"
    cases = ("train_mfavb", "predict_vtcc", "growth_batch_size", "share_vtcc")
    options = ["--quick", "--results", path, "--only", *cases]
    done = run_program("speed.run", *options)
    assert done.stdout.endswith("4 recorded\n"), done.stderr
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["case"] for record in records] == list(cases)
    assert {"ours", "reference"} == records[0]["seconds"].keys()
    report = run_program("speed.report", "--results", path, "--output", tmp_path)
    assert "quick: these numbers mean nothing" in report.stdout
    assert (tmp_path / "speed_growth_0.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["train", "start", "predict"])
def test_two_checkouts_take_turns(what, tmp_path):
    """Every turn of both is recorded; here a checkout takes turns with itself."""
    path = tmp_path / "speed.jsonl"
    options = ["--quick", "--results", path, "--against", ROOT]
    done = run_program("speed.run", *options, "--only", f"against_{what}")
    assert done.stdout.endswith("1 recorded\n"), done.stderr
    seconds = json.loads(path.read_text())["seconds"]
    assert {name: len(turns) for name, turns in seconds.items()} == {
        "ours": 2,
        "before": 2,
    }
    assert all(turn > 0 for turns in seconds.values() for turn in turns)
