"""Turn the records of run.py into tables and plots, none of it by hand.

    python -m benchmarks.accuracy.report [--results FILE] [--output DIR]
    python -m benchmarks.accuracy.report --results NEW --against OLD

Prints, by profile, tables of accuracy, of each data set, and of the settings. With
`--output` they also go to ``DIR/accuracy.md``, with plots of accuracy against seconds
beside it (matplotlib). With `--against` two files are compared: by method and set, the
mean difference of the seeds that both have. Of what was recorded more than once the
last record counts.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import tables
from benchmarks.accuracy.profiles import PROFILES
from benchmarks.accuracy.tables import by_method, looks_at, values_of
from benchmarks.records import RESULTS, Record, distinct, latest, read_records, select
from benchmarks.records import table as markdown

KEYS = ("method", "dataset", "seed", "profile", "features", "part")
NOTE = (
    "Means ± standard deviations over seeds, which also draw the parts and tails of "
    "sets; the best mean in bold. Balanced ACC: mean recall of classes. AUROC: of the "
    "images from another set; other scores are of the rest. Score: without labels, the "
    "part of labels that neighbors confirm, to be compared within methods on pixels or "
    "within methods on features. Balance: entropy of cluster sizes, 1 if all are "
    "equal. Found: clusters, without noise. Seconds (of fit) and MiB (peak of the "
    "process): medians. Methods that `methods.py` does not have come last: they are of "
    "earlier versions."
)


def report(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the report, one profile after another."""
    yield from ("# Accuracy", "", NOTE)
    for profile in distinct(records, "profile"):
        chosen = select(records, profile=profile)
        yield from ("", f"## Profile {profile}: {PROFILES[profile].purpose}")
        if not PROFILES[profile].tells_n_clusters:
            yield from tables.number_tables(chosen)
            continue
        yield from tables.overview(chosen)
        if "balanced_acc" in chosen[0]:
            yield from tables.standings(chosen)
        for dataset in distinct(chosen, "dataset"):
            runs = select(chosen, dataset=dataset)
            yield from ("", f"### {dataset} ({profile})")
            for features in distinct(runs, "features"):
                same = select(runs, features=features)
                yield from ("", tables.conditions(same), "", *tables.score_table(same))
        yield from tables.settings_table(chosen)


def compare(new: list[Record], old: list[Record]) -> Iterator[str]:
    """Yield the differences of two files, by method and set, over common seeds."""
    before = {str([record.get(key) for key in KEYS]): record for record in old}
    pairs = [(r, before.get(str([r.get(key) for key in KEYS]))) for r in new]
    groups: dict[tuple[Any, ...], list[tuple[Record, Record]]] = {}
    for now, then in pairs:
        if then is not None and "acc" in now:
            place = (now["method"], now["dataset"], looks_at(now["features"]))
            groups.setdefault((*place, now["profile"]), []).append((now, then))
    rows: list[list[str]] = []
    for place, runs in groups.items():
        accuracy = np.array([[r["acc"] for r in pair] for pair in runs])
        changes = accuracy[:, 0] - accuracy[:, 1]
        seconds = np.median([now["seconds"] / then["seconds"] for now, then in runs])
        means = [f"{mean:.3f}" for mean in accuracy.mean(axis=0)[::-1]]
        change = f"{changes.mean():+.3f} ± {changes.std():.3f}"
        rows.append([*place, *means, change, str(len(runs)), f"{seconds:.2f}"])
    header = ["method", "set", "looks at", "profile", "old ACC", "new ACC"]
    header += ["difference", "seeds", "seconds, new to old"]
    yield from markdown(header, rows)


def draw(records: list[Record], path: Path) -> None:
    """Draw accuracy against the time of a fit, with its deviation over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    methods = list(by_method(records))
    for features in distinct(records, "features"):
        markers = "oDP" if features is None else "^sX"
        for method, runs in by_method(select(records, features=features)).items():
            number, accuracy = methods.index(method), values_of(runs, "acc")
            axes.errorbar(
                np.median(values_of(runs, "seconds")),
                accuracy.mean(),
                yerr=accuracy.std(),
                color=f"C{number % 10}",
                # Colors come back after ten methods: markers tell those apart.
                marker=markers[number // 10 % 3],
                linestyle="none",
                label=f"{method}, {looks_at(features)}",
            )
    title = f"{records[0]['dataset']}, profile {records[0]['profile']}"
    axes.set(xscale="log", xlabel="seconds per fit", ylabel="ACC", title=title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="x-small")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the command line; print, and write if told where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.jsonl")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    records = latest(read_records(options.results), *KEYS)
    if not records:
        parser.error(f"{options.results.name} holds no records: run run.py first.")
    if options.against:
        print("\n".join(compare(records, latest(read_records(options.against), *KEYS))))
        return
    text = "\n".join(report(records))
    print(text)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "accuracy.md").write_text(f"{text}\n", encoding="utf-8")
        for profile, dataset in {(r["profile"], r["dataset"]) for r in records}:
            runs = select(records, profile=profile, dataset=dataset)
            if "acc" in runs[0]:
                draw(runs, options.output / f"{profile}_{dataset}.png")


if __name__ == "__main__":
    main()
