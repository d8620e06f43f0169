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

from benchmarks.accuracy.methods import METHODS
from benchmarks.accuracy.profiles import PROFILES
from benchmarks.records import RESULTS, Record, distinct, latest, read_records, select
from benchmarks.records import table as markdown

KEYS = ("method", "dataset", "seed", "profile", "features", "part")
SCORES = {"ACC": "acc", "NMI": "nmi", "ARI": "ari", "ACC, fitted to": "acc_fitted"}
NOTE = (
    "Means ± standard deviations over seeds; the best mean in bold. Score: without "
    "labels, the part of labels that neighbors confirm, to be compared within methods "
    "on pixels or within methods on features. Balance: entropy of cluster sizes, 1 if "
    "all are equal. Seconds (of fit) and MiB (peak of the process): medians. Methods "
    "that `methods.py` does not have come last: they are of earlier versions."
)


def values_of(runs: list[Record], key: str) -> np.ndarray:
    """List what runs have recorded under a key."""
    return np.array([run[key] for run in runs if run.get(key) is not None])


def by_method(records: list[Record]) -> dict[str, list[Record]]:
    """Group records by method, in the order of `METHODS`; those not there come last."""
    order = list(METHODS)
    methods = distinct(records, "method")
    methods.sort(key=lambda name: order.index(name) if name in order else len(order))
    return {method: select(records, method=method) for method in methods}


def score_column(runs_of: dict[str, list[Record]], key: str) -> dict[str, str]:
    """Format mean and deviation of each method, and the best mean in bold."""
    found = {name: values_of(runs, key) for name, runs in runs_of.items()}
    means = {name: f"{v.mean():.3f}" for name, v in found.items() if len(v)}
    # A lucky seed is no best mean: three seeds compete, or as many as there are.
    enough = min(3, max(map(len, found.values())))
    best = max((m for n, m in means.items() if len(found[n]) >= enough), default="")
    return {
        name: (f"**{mean}**" if mean == best and len(found[name]) >= enough else mean)
        + (f" ± {found[name].std():.3f}" if len(found[name]) > 1 else "")
        for name, mean in means.items()
    }


def score_table(records: list[Record]) -> list[str]:
    """Compare the methods on one data set."""
    runs_of = by_method(records)

    def column(key: str, form: str, combine: Any) -> dict[str, str]:
        found = {name: values_of(runs, key) for name, runs in runs_of.items()}
        return {n: form.format(combine(v)) for n, v in found.items() if len(v)}

    columns = {name: score_column(runs_of, key) for name, key in SCORES.items()}
    columns |= {
        "lowest ACC": column("acc", "{:.3f}", np.min),
        "score": column("score", "{:.3f}", np.mean),
        "balance": column("balance", "{:.2f}", np.mean),
        "seeds": {name: str(len(runs)) for name, runs in runs_of.items()},
        "seconds": column("seconds", "{:.1f}", np.median),
        "MiB": column("peak_mib", "{:.0f}", np.median),
    }
    columns = {name: cells for name, cells in columns.items() if cells}
    rows = [[m, *(cells.get(m, "") for cells in columns.values())] for m in runs_of]
    return markdown(["method", *columns], rows)


def overview(records: list[Record]) -> Iterator[str]:
    """Yield the accuracy of all methods on all data sets, by what they look at."""
    for features in sorted(distinct(records, "features"), key=str):
        chosen = select(records, features=features)
        datasets, methods = distinct(chosen, "dataset"), by_method(chosen)
        columns = [
            score_column(by_method(select(chosen, dataset=dataset)), "acc")
            for dataset in datasets
        ]
        rows = [[m, *(column.get(m, "") for column in columns)] for m in methods]
        counts = {
            len(select(chosen, method=run["method"], dataset=run["dataset"]))
            for run in chosen
        }
        seeds = " to ".join(map(str, sorted({min(counts), max(counts)})))
        yield from ("", f"ACC, {looks_at(features)}; seeds: {seeds}.", "")
        yield from markdown(["method", *datasets], rows)


def looks_at(features: list[str] | None) -> str:
    """Tell what methods look at."""
    return f"features: {', '.join(features)}" if features else "pixels alone"


def conditions(records: list[Record]) -> str:
    """Tell what was clustered, and on what."""

    def either(key: str) -> str:
        found = [value for value in distinct(records, key) if value is not None]
        return " or ".join(
            " x ".join(map(str, v)) if isinstance(v, list) else str(v) for v in found
        )

    facts = {
        "images": either("n_images"),
        "pixels": either("image_size"),
        "clusters": either("n_clusters"),
        "device": either("device"),
        "threads": either("n_threads"),
    }
    known = [f"{name}: {value}" for name, value in facts.items() if value]
    return f"{looks_at(records[0]['features'])}; {'; '.join(known)}.".capitalize()


def settings_table(records: list[Record]) -> Iterator[str]:
    """Yield every setting that is not a default, and for which data sets it held."""
    rows = []
    for method, runs in by_method(records).items():
        for settings in filter(None, distinct(runs, "settings")):
            datasets = distinct(select(runs, settings=settings), "dataset")
            text = ", ".join(f"`{key}={value!r}`" for key, value in settings.items())
            rows.append([method, text, ", ".join(datasets)])
    if rows:
        yield from ("", "Settings; all else has its default.", "")
        yield from markdown(["method", "settings", "data sets"], rows)


def selector_tables(records: list[Record]) -> Iterator[str]:
    """Yield how often the proposed number of clusters is right."""
    header = [
        "set",
        "classes",
        "estimated, seed by seed",
        "right",
        "off by one at most",
    ]
    for part in distinct(records, "part"):
        chosen, rows, off = select(records, part=part), [], []
        places = {(r["dataset"].split(":")[0], r["n_clusters"]): r for r in chosen}
        for (name, n), record in sorted(places.items()):
            runs = select(chosen, dataset=record["dataset"], n_clusters=n)
            estimated = [r["estimated"] for r in sorted(runs, key=lambda r: r["seed"])]
            misses = np.abs(np.array(estimated) - n)
            listed = ", ".join(map(str, estimated))
            rows.append([name, str(n), listed, *hits(misses)])
            off.extend(misses)
        rows.append(["all", "", "", *hits(np.array(off))])
        title = ", ".join(filter(None, [looks_at(chosen[0]["features"]), part]))
        yield from ("", f"{title.capitalize()}:", "", *markdown(header, rows))


def hits(misses: np.ndarray) -> list[str]:
    """Count the proposals that are right, and nearly."""
    return [f"{(misses <= most).sum()} of {len(misses)}" for most in (0, 1)]


def report(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the report, one profile after another."""
    yield from ("# Accuracy", "", NOTE)
    for profile in distinct(records, "profile"):
        chosen = select(records, profile=profile)
        yield from ("", f"## Profile {profile}: {PROFILES[profile].purpose}")
        if "estimated" in chosen[0]:
            yield from selector_tables(chosen)
            continue
        yield from overview(chosen)
        for dataset in distinct(chosen, "dataset"):
            runs = select(chosen, dataset=dataset)
            yield from ("", f"### {dataset} ({profile})")
            for features in distinct(runs, "features"):
                same = select(runs, features=features)
                yield from ("", conditions(same), "", *score_table(same))
        yield from settings_table(chosen)


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
