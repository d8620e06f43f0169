"""The tables of the report, from records."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from benchmarks.accuracy.methods import METHODS
from benchmarks.records import Record, distinct, select
from benchmarks.records import table as markdown

__all__ = [
    "by_method",
    "conditions",
    "looks_at",
    "number_tables",
    "overview",
    "score_table",
    "settings_table",
    "standings",
    "values_of",
]

SCORES = {
    "ACC": "acc",
    "balanced ACC": "balanced_acc",
    "NMI": "nmi",
    "AMI": "ami",
    "ARI": "ari",
    "AUROC": "auroc",
    "ACC, fitted to": "acc_fitted",
}
FURTHER = ("score", "balance", "n_found", "seconds", "peak_mib")


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
        "found": column("n_found", "{:.1f}", np.mean),
        "seeds": {name: str(len(runs)) for name, runs in runs_of.items()},
        "passes": column("n_epochs", "{:.0f}", np.median),
        "CPU seconds": column("cpu_seconds", "{:.0f}", np.median),
        "seconds": column("seconds", "{:.1f}", np.median),
        "MiB": column("peak_mib", "{:.0f}", np.median),
    }
    columns = {name: cells for name, cells in columns.items() if cells}
    rows = [[m, *(cells.get(m, "") for cells in columns.values())] for m in runs_of]
    return markdown(["method", *columns], rows)


def over_sets(records: list[Record]) -> list[Record]:
    """Average what methods have of each seed, where they were run on every set."""
    n_datasets = len(distinct(records, "dataset"))
    averages = []
    for method, runs in by_method(records).items():
        for seed in distinct(runs, "seed"):
            same = select(runs, seed=seed)
            if len(same) == n_datasets:
                means = {k: values_of(same, k) for k in (*SCORES.values(), *FURTHER)}
                means = {k: v.mean() for k, v in means.items() if len(v)}
                averages.append({"method": method, "seed": seed, **means})
    return averages


def standings(records: list[Record]) -> Iterator[str]:
    """Yield the means over sets, those with tails of a length among themselves."""
    tails = {r["dataset"]: r["dataset"].partition("-")[2] for r in records}
    for features in sorted(distinct(records, "features"), key=str):
        for tail in dict.fromkeys(tails.values()):
            chosen = [r for r in records if tails[r["dataset"]] == tail]
            chosen = select(chosen, features=features)
            names = ", ".join(distinct(chosen, "dataset"))
            if averages := over_sets(chosen):
                title = f"Means over {names}; {looks_at(features)}."
                yield from ("", title, "", *score_table(averages))


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


def number_tables(records: list[Record]) -> Iterator[str]:
    """Yield how often the number of clusters that a method finds is right."""
    header = ["set", "classes", "estimated, seed by seed", "right"]
    header.append("off by one at most")
    methods = by_method(records)
    for method, part in product(methods, distinct(records, "part")):
        chosen, rows, off = select(methods[method], part=part), [], []
        for name, n, found in numbers(chosen):
            misses = np.abs(np.array(found) - n)
            rows.append([name, str(n), ", ".join(map(str, found)), *hits(misses)])
            off.extend(misses)
        if rows:
            rows.append(["all", "", "", *hits(np.array(off))])
            named = f"{method}; " if len(methods) > 1 else ""
            title = f"{named}{looks_at(chosen[0]['features'])}"
            title = ", ".join(filter(None, [title, part]))
            yield from ("", f"{title[0].upper()}{title[1:]}:", "")
            yield from markdown(header, rows)


def numbers(records: list[Record]) -> Iterator[tuple[str, int, list[int]]]:
    """Yield set, number of classes, and the numbers found, seed by seed."""
    places: dict[tuple[str, int], list[Record]] = {}
    for record in sorted(records, key=lambda record: record["seed"]):
        name = re.sub(r":\d+", "", record["dataset"])
        places.setdefault((name, record["n_clusters"]), []).append(record)
    for (name, n), runs in sorted(places.items()):
        yield name, n, [r.get("estimated", r.get("n_found")) for r in runs]


def hits(misses: np.ndarray) -> list[str]:
    """Count the numbers that are right, and nearly."""
    return [f"{(misses <= most).sum()} of {len(misses)}" for most in (0, 1)]
