"""What commands take: the options that several have, and the images of PATHS."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any

import click
from click import option

PROGRAM = "sklearn-mfavb"
PATH = click.Path(path_type=Path)
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")

_SORT = "Also make a folder of copies or links for each cluster, in --out."
_EXCLUDE = "Leave out files and folders of such names, as '*thumb*'; repeatable."
_READ = "What to do about files that cannot be read."
_DEVICE = "cpu, cuda, cuda:1 or mps."


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


def device(word: str) -> str:
    """Check the name of a device, for torch would list all that it knows."""
    if re.fullmatch(r"auto|cpu|(cuda|mps|xpu)(:\d+)?", word):
        return word
    raise click.BadParameter(f"{word!r} is not auto, cpu, cuda, cuda:1 or mps.")


def path_option(*names: str, **settings: Any) -> Callable[..., Any]:
    """Make an option that takes a path."""
    return option(*names, type=PATH, **{"metavar": "DIR", **settings})


def together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Make one decorator of several."""
    return lambda function: reduce(lambda f, add: add(f), reversed(options), function)


paths = click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
seed = option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", default=0)
output = together(
    path_option("-o", "--out", required=True, help="Folder for results, new or empty."),
    option("--sort", type=click.Choice(["copy", "link"]), help=_SORT),
    option("--overwrite", is_flag=True, help="Replace earlier results in --out."),
)
reading = together(
    option("--exclude", multiple=True, metavar="GLOB", help=_EXCLUDE),
    option(
        "--on-error", type=click.Choice(["skip", "raise"]), default="skip", help=_READ
    ),
    option("--device", type=device, metavar="NAME", default="auto", help=_DEVICE),
)


class Images:
    """The image files that PATHS of a command line stand for.

    `paths` are absolute and sorted, so the same wherever the program is started; `root`
    is the folder that holds all; `ignored` are files that are not looked at, and why.
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

    def find(
        self, *, exclude: Sequence[str], on_error: str, out: Path | None = None
    ) -> None:
        """List the images, unless results in `out` would be among them next time."""
        from sklearn_mfavb.images import list_images, summarize_ignored

        found, empty = set(self.paths), None
        for folder in self.folders:
            try:
                paths, ignored = list_images(folder, on_error=on_error)
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
        for path in [path for path in self.ignored if self._fits(path, exclude)]:
            del self.ignored[path]
        if out is not None:
            self._check_apart(out)
        if self.ignored:
            say(f"{summarize_ignored(self.ignored)} See skipped.csv.")

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
        parents = {Path(os.path.dirname(path)).resolve() for path in self.paths}
        among = any(results.is_relative_to(Path(f).resolve()) for f in self.folders)
        if among or any(parent.is_relative_to(results) for parent in parents):
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
