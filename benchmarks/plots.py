"""Plots of records: of one data set under one profile, or of how cost grows."""

import math
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from recording import Record
from tables import by_method

N_COLUMNS = 4


def title(records: list[Record]) -> str:
    """Name data set and profile."""
    return f"{records[0]['dataset']}, profile {records[0]['profile']}"


def draw_losses(records: list[Record], path: Path) -> None:
    """Draw the loss over epochs, a panel for each method and a line for each seed.

    Stages have losses of their own, which cannot be compared: each has its own line.
    """
    groups = by_method([record for record in records if record["history"]])
    if not groups:
        return
    n_rows = math.ceil(len(groups) / N_COLUMNS)
    figure = Figure(figsize=(3.2 * N_COLUMNS, 2.4 * n_rows), layout="constrained")
    figure.suptitle(f"Loss: {title(records)}")
    axes = figure.subplots(n_rows, N_COLUMNS, squeeze=False).ravel()
    for panel, (method, runs) in zip(axes, groups.items(), strict=False):
        panel.set_title(method, fontsize="small")
        panel.set_xlabel("epoch", fontsize="small")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        for color, run in enumerate(runs):
            _draw_run(panel, run, f"C{color}")
    for panel in axes[len(groups) :]:
        panel.set_axis_off()
    axes[0].legend(fontsize="x-small")
    figure.savefig(path, dpi=120)


def _draw_run(panel: Any, run: Record, color: str) -> None:
    """Draw a line for each stage of one run, in one color."""
    label: str | None = f"seed {run['seed']}"
    for _, stage in groupby(run["history"], key=lambda row: row.get("stage")):
        rows = list(stage)
        epochs, losses = [row["epoch"] for row in rows], [row["loss"] for row in rows]
        panel.plot(epochs, losses, marker=".", color=color, label=label)
        label = None  # once in the legend


def draw_accuracy_and_seconds(records: list[Record], path: Path) -> None:
    """Draw accuracy against the time of a fit, with its deviation over seeds."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    colors: dict[str, str] = {}
    for method, runs in by_method(records).items():
        family = method.removesuffix(" + CLIP")
        color = colors.setdefault(family, f"C{len(colors) % 10}")
        accuracy = np.array([run["acc"] for run in runs])
        axes.errorbar(
            np.median([run["seconds"] for run in runs]),
            accuracy.mean(),
            yerr=accuracy.std(),
            color=color,
            # Colors come back after ten methods: markers tell those apart.
            marker=_marker(runs[0]),
            linestyle="none",
            label=method,
        )
    axes.set(xscale="log", xlabel="seconds per fit", ylabel="ACC", title=title(records))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="x-small")
    figure.savefig(path, dpi=120)


def _marker(record: Record) -> str:
    """Tell baselines, methods on pixels and methods on features apart."""
    on_pixels, on_features = "sD" if "function" in record["params"] else "o^"
    return on_pixels if record["features"] is None else on_features


def draw_growth(curves: list[Record], path: Path) -> None:
    """Draw time per image and memory along each curve, a column for each."""
    figure = Figure(figsize=(3.2 * len(curves), 5), layout="constrained")
    device, n_threads = curves[0]["device"], curves[0]["n_threads"]
    figure.suptitle(f"Training of MFAVB on {device}, threads: {n_threads}")
    axes = figure.subplots(2, len(curves), squeeze=False, sharex="col")
    for (times, memory), curve in zip(axes.T, curves, strict=True):
        points = curve["points"]
        sizes = [point[curve["axis"]] for point in points]
        milliseconds = [
            1000 * np.median(point["seconds"]) / point["batch_size"] for point in points
        ]
        rises = [point["rise_mib"] for point in points]
        times.plot(sizes, milliseconds, marker=".")
        memory.plot(sizes, rises, marker=".")
        times.set(xscale="log", ylim=(0, 1.1 * max(milliseconds)))
        memory.set(xlabel=curve["label"], ylim=(0, 1.1 * max(*rises, 1.0)))
        memory.set_xticks(sizes, [str(size) for size in sizes], fontsize="x-small")
        memory.minorticks_off()
    axes[0, 0].set_ylabel("ms per image and epoch")
    axes[1, 0].set_ylabel("MiB above the images")
    figure.savefig(path, dpi=120)
