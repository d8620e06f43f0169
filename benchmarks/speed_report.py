"""Tables of what speed.py recorded; report.py prints them."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from recording import Record
from tables import distinct, select, table

__all__ = ["latest_cases", "list_settings", "report_speed"]

Rows = list[list[str]]

NOTE = (
    "Medians of repetitions that took turns in one process; in brackets the smallest "
    "and the largest ratio of one turn. The reference is a plain script "
    "(`speed_reference.py`): torchvision's transforms image by image in a DataLoader, "
    "timm's blocks as they come, float32. Operations are those of the matrix products "
    "and convolutions that a step needs."
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
SETTING = ("quick", "device", "n_threads")  # what is compared was measured alike


def latest_cases(records: list[Record]) -> list[Record]:
    """Return the last record of each case in each setting."""
    last = {
        tuple(record[key] for key in (*SETTING, "case")): record for record in records
    }
    return list(last.values())


def median_rate(record: Record, contender: str, amount: str) -> float:
    """Return how much of something a contender does in a second."""
    amounts = record[amount]
    done = amounts[contender] if isinstance(amounts, dict) else amounts
    return done / median(record["seconds"][contender])


def ratios(record: Record, contender: str) -> list[float]:
    """Return how many times as long as ours a contender took, turn by turn."""
    seconds = record["seconds"]
    return [
        theirs / ours
        for ours, theirs in zip(seconds["ours"], seconds[contender], strict=True)
    ]


def others(record: Record) -> list[str]:
    """Name whom ours is compared with."""
    return [name for name in record["seconds"] if name != "ours"]


def compare_images(record: Record) -> Rows:
    """Write how many images both do in a second."""
    rows = []
    for name in others(record):
        turns = ratios(record, name)
        ours, theirs = (
            f"{median_rate(record, contender, 'n_images'):.4g} images/s"
            for contender in ("ours", name)
        )
        # Of medians, as the rates; a ratio of each turn shows how sure that is.
        ratio = median(record["seconds"][name]) / median(record["seconds"]["ours"])
        spread = f"({min(turns):.2f} to {max(turns):.2f})"
        rows.append([ours, f"{name}: {theirs}", f"{ratio:.2f} x {spread}"])
    return rows


def compare_seconds(record: Record) -> Rows:
    """Write how much longer ours takes than the same work without it."""
    rows = []
    for name in others(record):
        ours, theirs = (median(record["seconds"][n]) for n in ("ours", name))
        added = [f"{100 * (1 / ratio - 1):+.1f}" for ratio in ratios(record, name)]
        added.sort(key=float)
        rows.append(
            [
                f"{ours:.4g} s",
                f"{name}: {theirs:.4g} s",
                f"{100 * (ours / theirs - 1):+.1f} % ({added[0]} to {added[-1]})",
            ]
        )
    return rows


def compare_operations(record: Record) -> Rows:
    """Write what share of each ceiling ours reaches."""
    ours = median_rate(record, "ours", "flop")
    ceilings = {name: median_rate(record, name, "flop") for name in others(record)}
    return [
        [
            f"{ours / 1e9:.4g} GFLOP/s",
            f"{name}: {ceiling / 1e9:.4g} GFLOP/s",
            f"{100 * ours / ceiling:.1f} %",
        ]
        for name, ceiling in ceilings.items()
    ]


def tell_memory(record: Record) -> Rows:
    """Write time and memory of what is compared with nothing."""
    seconds = median(record["seconds"]["ours"])
    return [[f"{seconds:.4g} s", "", f"{record['rise_mib']:.0f} MiB"]]


COMPARISONS: dict[str, Callable[[Record], Rows]] = {
    "comparison": compare_images,
    "overhead": compare_seconds,
    "share": compare_operations,
    "neighbors": tell_memory,
}


def comparison_table(records: list[Record]) -> list[str]:
    """Hold ours against everything else, and against the targets."""
    lines = []
    for record in records:
        on_gpu = record["device"] != "cpu"
        target = TARGETS[record["case"]][on_gpu]
        for cells in COMPARISONS[record["kind"]](record):
            lines.append([record["what"], *cells, target])
            target = ""  # it is for the first
    return table(["what", "ours", "against", "ratio", "target"], lines)


def ceiling_tables(record: Record) -> Iterator[str]:
    """Write what the machine can do."""
    rows = [
        [name, f"{median_rate(record, name, 'flop') / 1e9:.4g} GFLOP/s"]
        for name in record["flop"]
    ]
    rows += [
        [name, f"{median_rate(record, name, 'bytes') / 1e9:.4g} GB/s"]
        for name in record["bytes"]
    ]
    yield from ("", "The machine:", "", *table(["what", "rate"], rows))


def growth_tables(record: Record) -> Iterator[str]:
    """Write time and memory along a curve."""
    rows = [
        [
            str(point[record["axis"]]),
            f"{1000 * median(point['seconds']) / point['batch_size']:.3g}",
            f"{point['rise_mib']:.0f}",
        ]
        for point in record["points"]
    ]
    header = [record["label"], "ms per image and epoch", "MiB above the images"]
    yield from ("", f"{record['what']}:", "", *table(header, rows))


def profile_tables(record: Record) -> Iterator[str]:
    """Write where the time of a step goes."""
    rows = [
        [
            f"`{item['name']}`",
            f"{item['ms']:.1f}",
            f"{100 * item['share']:.1f} %",
            str(item["calls"]),
        ]
        for item in record["items"]
    ]
    header = ["item", "ms, its own", "share", "calls"]
    title = f"Profile of {record['what']} ({record['total_ms']:.0f} ms):"
    yield from ("", title, "", *table(header, rows))


DETAILS: dict[str, Callable[[Record], Iterator[str]]] = {
    "ceilings": ceiling_tables,
    "growth": growth_tables,
    "profile": profile_tables,
}


def report_speed(records: list[Record]) -> Iterator[str]:
    """Yield the lines of the report, one setting after another."""
    yield from ("# Speed", "", NOTE)
    for setting in list_settings(records):
        chosen = select(records, **setting)
        meaning = ", quick: these numbers mean nothing" if setting["quick"] else ""
        precisions = distinct([r for r in chosen if "precision" in r], "precision")
        yield from (
            "",
            f"## {setting['device']}, threads: {setting['n_threads']}{meaning}",
            "",
            f"Instructions: {', '.join(distinct(chosen, 'instructions'))}; training "
            f"in {', '.join(precisions) or 'no case here'}.",
            "",
        )
        compared = [record for record in chosen if record["kind"] in COMPARISONS]
        if compared:
            yield from comparison_table(compared)
        for record in chosen:
            if record["kind"] in DETAILS:
                yield from DETAILS[record["kind"]](record)


def list_settings(records: list[Record]) -> list[dict[str, Any]]:
    """List the settings in which anything was measured."""
    settings = [{key: record[key] for key in SETTING} for record in records]
    return [s for n, s in enumerate(settings) if s not in settings[:n]]
