"""Turn the records of run.py into tables and a plot, none of it by hand.

    python -m benchmarks.speed.report [--results FILE] [--output DIR]

With `--output` they also go to ``DIR/speed.md``, with plots of how cost grows beside it
(matplotlib). Of what was recorded more than once the last record counts.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.records import RESULTS, Record, distinct, latest, read_records, select
from benchmarks.records import table as markdown

SETTING = ("quick", "device", "n_threads")  # what is compared was measured alike
NOTE = (
    "Medians of repetitions that took turns; in brackets the smallest and the largest "
    "ratio of one turn. The reference is a plain script (`reference.py`): "
    "torchvision's transforms image by image in a DataLoader, timm's blocks as they "
    "come, float32. Operations are those of the matrix products and convolutions that "
    "a step needs. Cases that `run.py` does not have (`bare loop`, two equal views, "
    "profiles) are of earlier versions."
)
# By case: on a CPU, on a GPU.
TARGETS = {
    "train_vtcc": ("at least 5 x", "at least 4 x"),
    "train_mfavb": ("at least 5 x", "at least 4 x"),
    "share_vtcc": ("at least 40 %", "at least 45 %"),
    "predict_vtcc": ("at least 4 x", "at least 3 x"),
    "predict_mfavb": ("at least 4 x", "at least 3 x"),
    "overhead_mfavb": ("at most 5 %", "at most 5 %"),
    "overhead_small": ("at most 5 %", "at most 5 %"),
    "clip": ("at least 3 x", "at least 3 x"),
    "neighbors": ("less than 1024 MiB", ""),
}


def rate(record: Record, contender: str, amount: str) -> float:
    """Compute how much of something a contender does in a second, by the median."""
    amounts = record[amount]
    done = amounts[contender] if isinstance(amounts, dict) else amounts
    return done / median(record["seconds"][contender])


def compare(record: Record) -> Iterator[list[str]]:
    """Yield ours, against whom, and the ratio, for everything that took turns."""
    seconds, kind = record["seconds"], record["kind"]
    if kind == "neighbors":
        yield [f"{median(seconds['ours']):.4g} s", "", f"{record['rise_mib']:.0f} MiB"]
    for name in seconds:
        if name == "ours":
            continue
        turns = sorted(
            t / o for o, t in zip(seconds["ours"], seconds[name], strict=True)
        )
        # Of medians, as the rates; a ratio of each turn shows how sure that is.
        ratio = median(seconds[name]) / median(seconds["ours"])
        both = ("ours", name)
        if kind == "comparison":
            ours, theirs = (f"{rate(record, n, 'n_images'):.4g} images/s" for n in both)
            result = f"{ratio:.2f} x ({turns[0]:.2f} to {turns[-1]:.2f})"
        elif kind == "share":
            rates = [rate(record, n, "flop") for n in both]
            ours, theirs = (f"{value / 1e9:.4g} GFLOP/s" for value in rates)
            result = f"{100 * rates[0] / rates[1]:.1f} %"
        else:  # overhead: how much longer ours takes than the same work without it
            ours, theirs = (f"{median(seconds[n]):.4g} s" for n in both)
            low, high = (100 * (1 / turn - 1) for turn in (turns[-1], turns[0]))
            result = f"{100 * (1 / ratio - 1):+.1f} % ({low:+.1f} to {high:+.1f})"
        yield [ours, f"{name}: {theirs}", result]


def comparison_table(records: list[Record]) -> list[str]:
    """Hold ours against everything else, and against the targets."""
    rows = []
    for record in records:
        target = TARGETS.get(record["case"], ("", ""))[record["device"] != "cpu"]
        for cells in compare(record):
            rows.append([record["what"], *cells, target])
            target = ""  # it is for the first
    return markdown(["what", "ours", "against", "ratio", "target"], rows)


def detail_table(record: Record) -> Iterator[str]:
    """Yield what the machine can do, cost along a curve, or where time goes."""
    if record["kind"] == "ceilings":
        title, header = "The machine", ["what", "rate"]
        rows = [
            [name, f"{rate(record, name, amount) / 1e9:.4g} {unit}"]
            for amount, unit in (("flop", "GFLOP/s"), ("bytes", "GB/s"))
            for name in record[amount]
        ]
    elif record["kind"] == "growth":
        title = record["what"]
        header = [record["label"], "ms per image and epoch", "MiB above the images"]
        rows = [
            [str(p[record["axis"]]), f"{milliseconds(p):.3g}", f"{p['rise_mib']:.0f}"]
            for p in record["points"]
        ]
    else:
        title = f"Profile of {record['what']} ({record['total_ms']:.0f} ms)"
        header = ["item", "ms, its own", "share", "calls"]
        rows = [
            [
                f"`{i['name']}`",
                f"{i['ms']:.1f}",
                f"{100 * i['share']:.1f} %",
                str(i["calls"]),
            ]
            for i in record["items"]
        ]
    yield from ("", f"{title}:", "", *markdown(header, rows))


def milliseconds(point: Record) -> float:
    """Compute the time of an image and epoch."""
    return 1000 * median(point["seconds"]) / point["batch_size"]


def report(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the report, one setting after another."""
    yield from ("# Speed", "", NOTE)
    for setting in settings_of(records):
        chosen = select(records, **setting)
        meaning = ", quick: these numbers mean nothing" if setting["quick"] else ""
        title = f"## {setting['device']}, threads: {setting['n_threads']}{meaning}"
        instructions = ", ".join(distinct(chosen, "instructions"))
        yield from ("", title, "", f"Instructions: {instructions}.", "")
        compared = [r for r in chosen if "ours" in r.get("seconds", ())]
        yield from comparison_table(compared)
        for record in chosen:
            if record not in compared:
                yield from detail_table(record)


def settings_of(records: list[Record]) -> list[Record]:
    """List the settings in which anything was measured."""
    return [{key: r[key] for key in SETTING} for r in latest(records, *SETTING)]


def draw(curves: list[Record], path: Path) -> None:
    """Draw time per image and memory along each curve, a column for each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(curves), 5), layout="constrained")
    axes = figure.subplots(2, len(curves), squeeze=False, sharex="col")
    for (times, memory), curve in zip(axes.T, curves, strict=True):
        sizes = [point[curve["axis"]] for point in curve["points"]]
        times.plot(sizes, [milliseconds(p) for p in curve["points"]], marker=".")
        memory.plot(sizes, [p["rise_mib"] for p in curve["points"]], marker=".")
        times.set(xscale="log", ylim=(0, None))
        memory.set(xlabel=curve["label"], ylim=(0, None))
        memory.set_xticks(sizes, [str(size) for size in sizes], fontsize="x-small")
        memory.minorticks_off()
    axes[0, 0].set_ylabel("ms per image and epoch")
    axes[1, 0].set_ylabel("MiB above the images")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the command line; print, and write if told where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "speed.jsonl")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    records = latest(read_records(options.results), *SETTING, "case")
    if not records:
        parser.error(f"{options.results.name} holds no records: run run.py first.")
    text = "\n".join(report(records))
    print(text)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "speed.md").write_text(f"{text}\n", encoding="utf-8")
        for number, setting in enumerate(settings_of(records)):
            if curves := select(records, kind="growth", **setting):
                draw(curves, options.output / f"speed_growth_{number}.png")


if __name__ == "__main__":
    main()
