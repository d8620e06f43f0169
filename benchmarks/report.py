"""Turn the records of run.py and speed.py into tables and plots, none of it by hand.

    python benchmarks/report.py [--speed] [--results FILE] [--output DIR]

Prints, by profile, a Markdown table for each data set and one of the settings. With
`--output` they also go to ``DIR/family.md``, and plots of the losses and of accuracy
against seconds beside it (these need matplotlib). With `--speed` it is the records of
speed.py that are told, ``DIR/speed.md`` and plots of how cost grows. Of what was
recorded more than once the last record counts.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jobs import Run
from methods import METHODS
from profiles import PROFILES
from recording import RESULTS, Record, read_file
from speed_report import latest_cases, list_settings, report_speed
from tables import by_method, distinct, select, table

SCORES = {"ACC": "acc", "NMI": "nmi", "ARI": "ari"}
NOTE = (
    "Means ± standard deviations over seeds; the best mean in bold. Score: without "
    "labels, the part of labels that neighbours confirm, to be compared within methods "
    "on pixels or within methods on features. Balance: entropy of cluster sizes, 1 if "
    "all are equal. Seconds (of fit) and MiB (peak of the process): medians."
)


def latest(records: list[Record]) -> list[Record]:
    """Return the last record of each run, in the order of METHODS."""
    last = {tuple(record[key] for key in Run._fields): record for record in records}
    order = list(METHODS)
    return sorted(
        last.values(),
        key=lambda record: (
            order.index(record["method"]) if record["method"] in METHODS else len(order)
        ),
    )


def mean_and_deviation(runs: list[Record], key: str, best: str) -> str:
    """Return the mean over seeds, bold if it is the best, and the deviation."""
    values = np.array([run[key] for run in runs])
    mean = f"{values.mean():.3f}"
    text = f"**{mean}**" if mean == best else mean
    return f"{text} ± {values.std():.3f}" if len(runs) > 1 else text


def score_table(records: list[Record]) -> list[str]:
    """Compare the methods on one data set."""
    runs_of = by_method(records)
    best = {
        key: f"{max(mean_of(runs, key) for runs in runs_of.values()):.3f}"
        for key in SCORES.values()
    }
    rows = [
        [
            method,
            *(mean_and_deviation(runs, key, best[key]) for key in SCORES.values()),
            f"{mean_of(runs, 'score'):.3f}",
            f"{mean_of(runs, 'balance'):.2f}",
            str(len(runs)),
            f"{np.median([run['seconds'] for run in runs]):.1f}",
            f"{np.median([run['peak_mib'] for run in runs]):.0f}",
        ]
        for method, runs in runs_of.items()
    ]
    header = ["method", *SCORES, "score", "balance", "seeds", "seconds", "MiB"]
    return table(header, rows)


def overview(records: list[Record]) -> Iterator[str]:
    """Yield the accuracy of all methods on all data sets, by what they look at."""
    for features in sorted(distinct(records, "features"), key=str):
        chosen = select(records, features=features)
        datasets = distinct(chosen, "dataset")
        columns = [
            accuracy_column(select(chosen, dataset=dataset)) for dataset in datasets
        ]
        methods = distinct(chosen, "method")
        rows = [
            [method, *(column.get(method, "") for column in columns)]
            for method in methods
        ]
        n_seeds = [
            len(select(chosen, method=method, dataset=dataset))
            for method in methods
            for dataset in distinct(select(chosen, method=method), "dataset")
        ]
        seeds = " to ".join(map(str, sorted({min(n_seeds), max(n_seeds)})))
        looks_at = "pixels alone" if features is None else f"features: {features}"
        yield from ("", f"ACC, {looks_at}; seeds: {seeds}.", "")
        yield from table(["method", *datasets], rows)


def accuracy_column(records: list[Record]) -> dict[str, str]:
    """Return the accuracy of each method on one data set."""
    runs_of = by_method(records)
    best = max(mean_of(runs, "acc") for runs in runs_of.values())
    return {
        name: mean_and_deviation(runs, "acc", f"{best:.3f}")
        for name, runs in runs_of.items()
    }


def mean_of(runs: list[Record], key: str) -> float:
    """Return the mean over seeds."""
    return float(np.mean([run[key] for run in runs]))


def conditions(records: list[Record]) -> str:
    """Say what was clustered, and on what."""
    parts = {
        key: " or ".join(str(value) for value in distinct(records, key))
        for key in ("n_images", "n_clusters", "device", "n_threads")
    }
    sizes = " or ".join(
        " x ".join(str(side) for side in size)
        for size in distinct(records, "image_size")
    )
    features = " or ".join(name for name in distinct(records, "features") if name)
    ending = f"; features: {features}" if features else ""
    return (
        f"{parts['n_images']} images of {sizes} pixels, {parts['n_clusters']} "
        f"clusters; device: {parts['device']}; threads: {parts['n_threads']}{ending}."
    )


def settings_table(records: list[Record]) -> list[str]:
    """Tell every setting that is not a default, and for which data sets it held."""
    rows = []
    for method in distinct(records, "method"):
        runs = select(records, method=method)
        for settings in distinct(runs, "settings"):
            datasets = distinct(select(runs, settings=settings), "dataset")
            text = ", ".join(f"`{key}={value!r}`" for key, value in settings.items())
            rows.append([method, text or "defaults", ", ".join(datasets)])
    return table(["method", "settings", "data sets"], rows)


def report(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the report, one profile after another."""
    yield from ("# The family and its baselines", "", NOTE)
    for profile in distinct(records, "profile"):
        chosen = select(records, profile=profile)
        purpose = PROFILES[profile].purpose if profile in PROFILES else "unknown now"
        yield from ("", f"## Profile {profile}: {purpose}", *overview(chosen))
        for dataset in distinct(chosen, "dataset"):
            runs = select(chosen, dataset=dataset)
            yield from ("", f"### {dataset} ({profile})", "", conditions(runs), "")
            yield from score_table(runs)
        yield from ("", f"### Settings ({profile})", "", *settings_table(chosen))


def draw_family(records: list[Record], folder: Path) -> None:
    """Draw both plots of each data set under each profile."""
    from plots import draw_accuracy_and_seconds, draw_losses

    for profile in distinct(records, "profile"):
        chosen = select(records, profile=profile)
        for dataset in distinct(chosen, "dataset"):
            runs = select(chosen, dataset=dataset)
            draw_losses(runs, folder / f"{profile}_{dataset}_losses.png")
            draw_accuracy_and_seconds(
                runs, folder / f"{profile}_{dataset}_accuracy.png"
            )


def draw_speed(records: list[Record], folder: Path) -> None:
    """Draw how cost grows, in each setting."""
    from plots import draw_growth

    for n, setting in enumerate(list_settings(records)):
        curves = select(records, kind="growth", **setting)
        if curves:
            draw_growth(curves, folder / f"speed_growth_{n}.png")


class Subject(NamedTuple):
    """What is reported: records of one program."""

    name: str
    program: str
    latest: Callable[[list[Record]], list[Record]]
    report: Callable[[list[Record]], Iterator[str]]
    draw: Callable[[list[Record], Path], None]


FAMILY = Subject("family", "run.py", latest, report, draw_family)
SPEED = Subject("speed", "speed.py", latest_cases, report_speed, draw_speed)


def main() -> None:
    """Read the command line; print, and write if told where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speed", action="store_true", help="records of speed.py")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    subject = SPEED if options.speed else FAMILY
    results = options.results or RESULTS / f"{subject.name}.jsonl"
    records = subject.latest(read_file(results))
    if not records:
        parser.error(f"{results.name} holds no records: run {subject.program} first.")
    text = "\n".join(subject.report(records))
    print(text)
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        path = options.output / f"{subject.name}.md"
        path.write_text(f"{text}\n", encoding="utf-8")
        subject.draw(records, options.output)


if __name__ == "__main__":
    main()
