"""What the program says to its user."""

import shlex
import sys
from collections.abc import Sequence

PROGRAM = "sklearn-mfavb"
_MOST_SHOWN = 10  # files; the rest stands in skipped.csv


def say(text: str) -> None:
    """Say something while the program works, beside what it prints as its result."""
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def continuation(words: Sequence[str]) -> str:
    """Write the command line, for a shell, that goes on with that of these words."""
    command, *rest = words
    kept = [word for word in rest if word not in ("--overwrite", "--resume")]
    return shlex.join([PROGRAM, command, "--resume", *kept])  # before a "--"


def say_skipped(reasons: Sequence[tuple[str, str]]) -> None:
    """Say which files were left out, and why; of many the first."""
    if not reasons:
        return
    n_more = len(reasons) - _MOST_SHOWN
    lines = [f"  {name!r}: {reason}" for name, reason in reasons[:_MOST_SHOWN]]
    more = [f"  and {n_more:,} more"] if n_more > 0 else []
    say("\n".join([f"{_plural(len(reasons), 'file')} skipped:", *lines, *more]))


def describe_sizes(sizes: Sequence[int]) -> str:
    """Say how many images are in how many clusters."""
    spread = f"{min(sizes):,} to {max(sizes):,}"
    return (
        f"{_plural(sum(sizes), 'image')} in {_plural(len(sizes), 'cluster')}, "
        f"{spread} in each"
    )


def _plural(number: int, noun: str) -> str:
    """Count things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
