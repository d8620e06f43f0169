"""What commands take: the options that several have, and the images of PATHS."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any

import click

PROGRAM = "sklearn-mfavb"
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def say(text: str) -> None:
    """Print progress, advice or an error."""
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class AtLeast(click.ParamType):
    """Whole numbers with a lower bound."""

    name = "N"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Read a number."""
        number = click.INT.convert(value, param, ctx)
        if number < self.least:
            self.fail(f"{number} is too small: the least is {self.least}.", param, ctx)
        return number


class Duration(click.ParamType):
    """Times such as 90s, 20m or 1.5h, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read a time."""
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value):
            return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
        hint = "add a unit, such as 90s, 20m or 1.5h."
        self.fail(f"{value!r} is not a duration: {hint}", param, ctx)


class Device(click.ParamType):
    """Names of devices; of a wrong one torch would list all that it knows."""

    name = "NAME"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Check a name."""
        if re.fullmatch(r"auto|cpu|(cuda|mps|xpu)(:\d+)?", value):
            return value
        self.fail(f"{value!r} is not auto, cpu, cuda, cuda:1 or mps.", param, ctx)


def path_option(*names: str, **settings: Any) -> Callable[..., Any]:
    """Make an option that takes a path."""
    settings = {"metavar": "DIR", "type": click.Path(path_type=Path), **settings}
    return click.option(*names, **settings)


def together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Make one decorator of several."""
    return lambda function: reduce(lambda f, add: add(f), reversed(options), function)


paths = click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
model_and_paths = together(
    click.argument("model", type=click.Path(path_type=Path)), paths
)
seed = click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0)
output = together(
    path_option("-o", "--out", required=True, help="Folder for results, new or empty."),
    click.option(
        "--sort",
        type=click.Choice(["copy", "link"]),
        help="Also make a folder of copies or links for each cluster, in --out.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace earlier results in --out."),
)
reading = together(
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Leave out files and folders of such names, as '*thumb*'; repeatable.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["skip", "raise"]),
        default="skip",
        help="What to do about files that cannot be read.",
    ),
    click.option("--device", type=Device(), default="auto", help="cpu, cuda, cuda:1."),
)


class Images:
    """The image files that PATHS of a command line stand for.

    Parameters
    ----------
    words : sequence of str
        Folders, files, and names of lists of them after an ``@``. `paths` of images are
        absolute and sorted, so the same wherever the program is started; `root` is the
        folder that holds all; `ignored` are files that are not looked at, and why.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Refuse what is not there. Images are not listed yet: that needs torch."""
        entries = [os.path.abspath(entry) for word in words for entry in _expand(word)]
        whys = {path: _why_ignored(path) for path in entries}
        self.folders = [path for path in whys if os.path.isdir(path)]
        self.ignored = {path: why for path, why in whys.items() if why is not None}
        self.paths = sorted(whys.keys() - self.ignored.keys() - set(self.folders))
        if not self.folders and not self.paths:
            raise ValueError("\n".join(map(": ".join, self.ignored.items())))
        files = set(entries).difference(self.folders)
        self.root = os.path.commonpath({*self.folders, *map(os.path.dirname, files)})
        self.title = words[0] if len(words) == 1 else self.root

    def find(self, *, exclude: Sequence[str], out: Path | None = None) -> None:
        """List the images, unless results in `out` would be among them next time."""
        found, empty = set(self.paths), None
        for folder in self.folders:
            try:
                paths, ignored = _list_folder(folder)
            except ValueError as error:  # one of several folders may have no images
                empty = error
            else:
                found.update(paths)
                self.ignored.update(ignored)
        if empty is not None and not found:
            raise empty
        self.paths = sorted(path for path in found if not self._fits(path, exclude))
        if not self.paths:
            raise ValueError(f"--exclude leaves none of {len(found):,} images.")
        for path in [each for each in self.ignored if self._fits(each, exclude)]:
            del self.ignored[path]
        if out is not None:
            self._check_apart(out)
        if self.ignored:
            kinds = Counter(os.path.splitext(path)[1] for path in self.ignored)
            counts = [f"{n:,} {kind or 'others'}" for kind, n in kinds.most_common()]
            n_files = count(len(self.ignored), "file")
            say(f"{n_files} not looked at (see skipped.csv): {', '.join(counts)}")

    def name(self, path: str) -> str:
        """Name a file by its path below the root, with slashes on every system."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def _fits(self, path: str, patterns: Sequence[str]) -> bool:
        """Whether a pattern fits a file's path, its name, or a folder on the way."""
        name = self.name(path)
        names = [name, *name.split("/")]
        return any(fnmatch(each, pattern) for each in names for pattern in patterns)

    def _check_apart(self, out: Path) -> None:
        """Raise if results and images overlap, directly or by links."""
        results = out.resolve()
        read_from = {Path(os.path.dirname(path)).resolve() for path in self.paths}
        if any(
            results.is_relative_to(Path(folder).resolve()) for folder in self.folders
        ) or any(parent.is_relative_to(results) for parent in read_from):
            raise ValueError(
                f"--out {out} and {self.title} overlap: results would be taken for "
                "images the next time. Choose a folder outside that of the images."
            )


def _expand(word: str) -> list[str]:
    """Return what a word names: itself, or the lines of a list."""
    if os.path.lexists(word):
        return [word]
    if not word.startswith("@"):
        raise FileNotFoundError(f"There is no file or folder {word!r}.")
    text = Path(word[1:]).read_text("utf-8-sig", "surrogateescape")
    if lines := [line for line in text.split("\n") if line.strip()]:
        return lines
    raise ValueError(f"{word[1:]} names no file: write one path a line.")


def _why_ignored(path: str) -> str | None:
    """Explain why a file that was named is certainly no image."""
    if path.lower().endswith(_ARCHIVES):
        return "is an archive: unpack it and name its folder."
    if path.lower().endswith(".txt"):
        return f"is a text. For images whose paths are in it, write @{path}"
    return None


def _list_folder(folder: str) -> tuple[list[str], dict[str, str]]:
    """List the images below a folder, and other files with why they are not."""
    from sklearn_mfavb.images import list_images

    paths = list_images(folder)
    return paths, getattr(paths, "ignored", {})
