"""Values of options, read from words."""

import argparse
import re

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def seed(word: str) -> int:
    """Read a seed that NumPy accepts."""
    number = int(word)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{word} is not between 0 and 2**32 - 1")
    return number


def count(word: str) -> int:
    """Read a whole number, one or more."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is not 1 or more")
    return number


def duration(word: str) -> float:
    """Read a time such as 90s, 20m or 1.5h, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", word)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{word!r} is no time: write a number and s, m or h, such as 90s or 1.5h"
        )
    return float(found[1]) * _SECONDS[found[2]]
