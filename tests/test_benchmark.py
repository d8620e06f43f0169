"""The benchmark of the family: fitting, resuming and reporting."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
REPORT = """\
ACC, pixels alone; seeds: 1 to 2.

| method | digits |
| --- | --- |
| k-means on pixels | **0.800** |
| MFAVBClustering | 0.700 ± 0.100 |

### digits (cpu)

1797 images of 8 x 8 pixels, 10 clusters; device: cpu; threads: 1.

| method | ACC | NMI | ARI | score | balance | seeds | seconds | MiB |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| k-means on pixels | **0.800** | 0.600 | 0.500 | 0.700 | 0.99 | 1 | 3.0 | 512 |
| MFAVBClustering | 0.700 ± 0.100 | **0.700** ± 0.100 | **0.700** ± 0.100 \
| 0.700 | 0.99 | 2 | 2.0 | 512 |

### Settings (cpu)

| method | settings | data sets |
| --- | --- | --- |
| k-means on pixels | defaults | digits |
| MFAVBClustering | `max_epochs=20`, `image_size=[16, 16]` | digits |
"""


def run_program(name, *arguments):
    """Run a program of the benchmarks as users do."""
    return subprocess.run(
        [sys.executable, BENCHMARKS / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def read(path):
    """Read the records of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Run the whole smoke profile once."""
    path = tmp_path_factory.mktemp("benchmark") / "family.jsonl"
    done = run_program("run.py", "--profile", "smoke", "--results", path)
    assert done.returncode == 0, done.stderr
    return path


def test_smoke_profile_records_every_method(smoke):
    """Each method leaves one record, with all that the report and a rerun need."""
    records = read(smoke)
    classes = ("MFAVB", "VTCC", "Contrastive", "SCAN", "Anchor", "CueCo")
    methods = [record["method"] for record in records]
    assert len(methods) == len(set(methods)) == 18
    for name in classes:
        assert {f"{name}Clustering", f"{name}Clustering + CLIP"} <= set(methods)
    for record in records:
        assert {"acc", "nmi", "ari", "score", "balance"} <= record.keys()
        assert sum(record["cluster_sizes"]) == record["n_images"] == 200
        assert record["profile"] == "smoke"
        assert record["versions"].keys() >= {"torch", "scikit-learn"}
        assert record["device"]
        assert record["n_threads"] == 1
        assert record["peak_mib"] > 100
        is_baseline = "function" in record["params"]
        assert is_baseline == (record["history"] == [])
        assert is_baseline or record["params"]["random_state"] == 0


def test_what_is_recorded_is_not_run_again(smoke):
    """A second call leaves the file as it is."""
    before = smoke.read_bytes()
    again = run_program("run.py", "--profile", "smoke", "--results", smoke)
    assert (again.returncode, again.stdout) == (0, "18 there before\n")
    assert smoke.read_bytes() == before


def test_lines_that_were_cut_short_and_failures_lose_only_themselves(smoke, tmp_path):
    """The run of a torn last line is done anew, whatever becomes of other runs."""
    path = tmp_path / "torn.jsonl"
    path.write_bytes(smoke.read_bytes()[:-50])
    last = read(smoke)[-1]["method"]
    options = ["--profile", "smoke", "--results", path, "--data-dir", tmp_path]
    options += ["--methods", "k-means on pixels", last, "--datasets", "none", "digits"]
    done = run_program("run.py", *options)
    assert done.returncode == 1
    assert done.stdout.endswith("2 failed, 1 there before, 1 recorded\n")
    *whole, torn, anew = path.read_text().splitlines()
    assert len(whole) == 17
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
    assert json.loads(anew)["method"] == last


def test_report_of_smoke_writes_tables_and_plots(smoke, tmp_path):
    """The report names the profile, and draws both plots of each data set."""
    done = run_program("report.py", "--results", smoke, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "## Profile smoke" in (tmp_path / "family.md").read_text("utf-8")
    names = ("smoke_digits_losses.png", "smoke_digits_accuracy.png")
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def hand_made(method, seed, score, **changes):
    """Write a record whose scores are easy to average."""
    record = {"method": method, "dataset": "digits", "seed": seed, "profile": "cpu"}
    record |= {"n_images": 1797, "image_size": [8, 8], "n_clusters": 10}
    record |= {"features": None, "acc": score, "nmi": score, "ari": score}
    record |= {"score": 0.7, "balance": 0.99, "seconds": 1.0, "peak_mib": 512.2}
    record |= {"settings": {}, "device": "cpu", "n_threads": 1}
    return {**record, **changes}


def test_report_averages_over_seeds_and_marks_the_best(tmp_path):
    """Means, deviations, bests, seeds and medians are those of the last records."""
    settings = {"max_epochs": 20, "image_size": [16, 16]}
    records = [
        hand_made("MFAVBClustering", 0, 0.1, settings=settings),
        hand_made("MFAVBClustering", 1, 0.8, settings=settings),
        hand_made("k-means on pixels", 0, 0.8, nmi=0.6, ari=0.5, seconds=3.0),
        hand_made("MFAVBClustering", 0, 0.6, settings=settings, seconds=3.0),
    ]
    path = tmp_path / "family.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    done = run_program("report.py", "--results", path)
    assert done.stdout[done.stdout.index("ACC, pixels") :] == REPORT


def test_tables_of_the_family_are_those_of_the_records():
    """The page and the summary show what the report makes of what is recorded."""
    report = run_program("report.py").stdout
    assert (BENCHMARKS / "results" / "family.md").read_text("utf-8") == report
    profiles = {text.split(":")[0]: text for text in report.split("## Profile ")[1:]}
    overviews = {
        profile: text[text.index("ACC, ") : text.index("\n\n### ")]
        for profile, text in profiles.items()
    }
    measured = (ROOT / "docs" / "measured.md").read_text("utf-8")
    assert all(overview in measured for overview in overviews.values())
    assert overviews["cpu"] in (ROOT / "README.md").read_text("utf-8")
    assert "MFAVBClustering" in overviews["cpu"]


def test_tables_of_the_speed_are_those_of_the_records():
    """The page shows what the report makes of what is recorded."""
    report = run_program("report.py", "--speed").stdout
    assert (BENCHMARKS / "results" / "speed.md").read_text("utf-8") == report


@pytest.mark.parametrize("name", ["digits.py", "clip_clustering.py"])
def test_tables_of_measured_are_those_of_the_records(name):
    """Every table of the report stands on the page."""
    page = (ROOT / "docs" / "measured.md").read_text("utf-8")
    blocks = run_program(name, "--report").stdout.strip().split("\n\n")
    assert any(block.startswith("|") for block in blocks)
    assert [block for block in blocks if block not in page] == []


def test_report_without_records_says_what_to_do(tmp_path):
    """An empty file is an error that names the other program."""
    done = run_program("report.py", "--results", tmp_path / "nothing.jsonl")
    assert done.returncode == 2
    assert "nothing.jsonl holds no records: run run.py first." in done.stderr


def test_a_profile_refuses_methods_that_it_has_no_settings_for(tmp_path):
    """Before anything is fitted, and by name."""
    options = ["--profile", "cpu_half_batches", "--data-dir", tmp_path]
    done = run_program("run.py", *options, "--methods", "MFAVBClustering")
    assert done.returncode == 2
    assert "cpu_half_batches has no settings for MFAVBClustering." in done.stderr
