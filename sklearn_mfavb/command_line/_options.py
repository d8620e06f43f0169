"""What commands have in common: how they speak, and options that several take."""

import re
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click
from click import option

PROGRAM = "sklearn-mfavb"
PATH = click.Path(path_type=Path)


def say(text: str) -> None:
    """Print a text: progress, advice or an error."""
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(word: str) -> float:
    """Read a duration such as 90s, 20m or 1.5h, in seconds."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", word):
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    hint = "add a unit, such as 90s, 20m or 1.5h."
    raise click.BadParameter(f"{word!r} is not a duration: {hint}")


class OrAuto(click.ParamType):
    """A number, or the word auto."""

    def __init__(self, number: click.ParamType) -> None:
        self.number = number
        self.name = f"{number.name} or auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read a word."""
        return value if value == "auto" else self.number.convert(value, param, ctx)


def together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Make one decorator of several."""
    return lambda function: reduce(lambda f, add: add(f), reversed(options), function)


SKIP_OR_RAISE = click.Choice(["skip", "raise"])
COPY_OR_LINK = click.Choice(["copy", "link"])
HELP = {
    "device": "cpu, cuda, cuda:1 or mps.",
    "exclude": "Leave out files and folders of such names, as '*thumb*'; repeatable.",
    "on_error": "What to do about files that cannot be read.",
    "out": "Folder for results, new or empty.",
    "overwrite": "Replace earlier results in --out.",
    "sort": "Also make a folder of copies or links for each cluster, in --out.",
}
seed = option("--seed", type=click.IntRange(0, 2**32 - 1), default=0)
images = together(
    click.argument("paths", nargs=-1, required=True),
    option("--exclude", multiple=True, help=HELP["exclude"]),
    option("--on-error", type=SKIP_OR_RAISE, default="skip", help=HELP["on_error"]),
    option("--device", default="auto", help=HELP["device"]),
)
results = together(
    option("-o", "--out", type=PATH, required=True, help=HELP["out"]),
    option("--sort", type=COPY_OR_LINK, help=HELP["sort"]),
    option("--overwrite", is_flag=True, help=HELP["overwrite"]),
)
