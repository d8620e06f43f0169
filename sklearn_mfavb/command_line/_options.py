"""What commands have in common: how they speak, and options that several take."""

import importlib.util
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click
from click import option

PROGRAM = "sklearn-mfavb"
PATH = click.Path(path_type=Path)
_MOST_NAMED = 10


def say(text: str) -> None:
    """Print a text: progress, advice or an error."""
    blank = _blank() if sys.stderr.isatty() else ""
    print(f"{blank}{PROGRAM}: {text}", file=sys.stderr)


def _blank() -> str:
    """Return what removes the last line of a terminal, such as one of `working`."""
    return f"\r{' ' * (get_terminal_size().columns - 1)}\r"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say_of_files(heading: str, reasons: dict[str, str], rest: str = "") -> None:
    """Say what happened to files and, of the first ten, why."""
    lines = [f"  {name!r}: {why}" for name, why in sorted(reasons.items())]
    if len(lines) > _MOST_NAMED:
        lines[_MOST_NAMED:] = [f"  and {len(lines) - _MOST_NAMED:,} more{rest}"]
    if lines:
        say("\n".join([f"{count(len(reasons), 'file')} {heading}:", *lines]))


@contextmanager
def working(name: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and for how long, while no bar does.

    Bars that are open show their time every second.

    Yields
    ------
    show : callable
        Called with the name of what is done next.
    """
    from tqdm.auto import tqdm

    if not sys.stderr.isatty():
        yield lambda name: None
        return
    doing, is_over = [(name, time.monotonic())], threading.Event()

    def tick() -> None:
        while not is_over.wait(1):
            name, began_at = doing[-1]
            if bars := list(getattr(tqdm, "_instances", ())):
                for bar in bars:
                    bar.refresh()  # its time: one epoch may take a minute
                continue
            seconds = tqdm.format_interval(time.monotonic() - began_at)
            print(f"{_blank()}{name}: {seconds}", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield lambda name: doing.append((name, time.monotonic()))
    finally:
        is_over.set()
        thread.join()
        print(_blank(), end="", file=sys.stderr, flush=True)


def device(context: Any, option: Any, word: str) -> str:
    """Refuse what is no device, before torch is there to try it."""
    if re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", word):
        return word
    hint = "write auto, cpu, cuda, cuda:1 or mps."
    raise click.BadParameter(f"{word!r} is not a device: {hint}")


def duration(word: str) -> float:
    """Read a duration such as 90s, 20m or 1.5h, in seconds."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", word):
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    hint = "add a unit, such as 90s, 20m or 1.5h."
    raise click.BadParameter(f"{word!r} is not a duration: {hint}")


class OrAuto(click.ParamType):
    """A number, or the word auto."""

    name = "number|auto"

    def __init__(self, number: click.ParamType) -> None:
        self.number = number

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read a word."""
        if value == "auto":
            return value
        try:
            return self.number.convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message.rstrip('.')}, nor auto.", param, ctx)


def check_parquet(context: Any, option: Any, words: tuple[str, ...]) -> Any:
    """Refuse Parquet where the library that writes it is missing."""
    if "parquet" in words and importlib.util.find_spec("pyarrow") is None:
        hint = "pip install 'sklearn-mfavb[parquet]'"
        raise click.BadParameter(f"parquet needs pyarrow: {hint}.")
    return words


class Several(click.ParamType):
    """Some of several words, separated by commas."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.name = ",".join(words)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read words."""
        chosen = tuple(value.split(",")) if isinstance(value, str) else value
        for word in chosen:
            if word not in self.words:
                self.fail(
                    f"{word!r} is not one of {', '.join(self.words)}.", param, ctx
                )
        return chosen


def together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Make one decorator of several."""
    return lambda function: reduce(lambda f, add: add(f), reversed(options), function)


SKIP_OR_RAISE = click.Choice(["skip", "raise"])
SORTED = click.Choice(["copy", "link", "move"])
ALSO = Several("parquet", "json", "probabilities", "embedding")
HELP = {
    "also": "Write more files: the table as Parquet or JSON, and all probabilities or "
    "the embedding as arrays of NumPy.",
    "device": "cpu, cuda, cuda:1 or mps.",
    "exclude": "Leave out files and folders of such names, as '*thumb*'; repeatable.",
    "on_error": "What to do about files that cannot be read.",
    "out": "Folder for results, new or empty.",
    "overwrite": "Replace earlier results in --out.",
    "sort": "Also make a folder for each cluster, in --out, and copy, link or move the "
    "images to it; `undo` moves them back.",
}
seed = option("--seed", type=click.IntRange(0, 2**32 - 1), default=0)
images = together(
    click.argument("paths", nargs=-1, required=True),
    option("-x", "--exclude", multiple=True, help=HELP["exclude"]),
    option("--on-error", type=SKIP_OR_RAISE, default="skip", help=HELP["on_error"]),
    option("--device", default="auto", callback=device, help=HELP["device"]),
)
results = together(
    option("-o", "--out", type=PATH, required=True, help=HELP["out"]),
    option("--sort", type=SORTED, help=HELP["sort"]),
    option("--overwrite", is_flag=True, help=HELP["overwrite"]),
)
also = option(
    "--also",
    type=ALSO,
    metavar=ALSO.name,
    default=(),
    show_default=False,
    callback=check_parquet,
    help=HELP["also"],
)
