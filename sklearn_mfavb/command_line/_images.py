"""The images of PATHS."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from glob import glob
from pathlib import Path

from sklearn_mfavb.command_line._options import say

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


class Images:
    """The image files that PATHS of a command line stand for.

    `paths` are absolute and sorted, so the same wherever the program is started; `root`
    is the folder that holds all; `ignored` are files that are not looked at, and why.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Refuse what is not there. Images are not listed yet."""
        entries = {os.path.abspath(entry) for word in words for entry in _expand(word)}
        self.folders = sorted(filter(os.path.isdir, entries))
        files = entries.difference(self.folders)
        self.ignored = {path: why for path in files if (why := _why_ignored(path))}
        self.paths = sorted(files - self.ignored.keys())
        if not self.folders and not self.paths:
            raise ValueError("\n".join(map(": ".join, self.ignored.items())))
        self.root = os.path.commonpath({*self.folders, *map(os.path.dirname, files)})
        self.title = words[0] if len(words) == 1 else self.root

    def find(
        self, *, exclude: Sequence[str], on_error: str, out: Path | None = None
    ) -> None:
        """List the images, unless results in `out` would be among them next time."""
        from sklearn_mfavb.folders import list_images, summarize_ignored

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
        kept = [path for path in self.ignored if not self._fits(path, exclude)]
        self.ignored = {path: self.ignored[path] for path in kept}
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
        parents = {Path(path).parent.resolve() for path in self.paths}
        among = any(results.is_relative_to(Path(f).resolve()) for f in self.folders)
        if among or any(parent.is_relative_to(results) for parent in parents):
            raise ValueError(
                f"--out {out} and {self.title} overlap: results would be taken for "
                "images the next time. Choose a folder outside that of the images."
            )


def _expand(word: str) -> list[str]:
    """Return what a word names: itself, the lines of a list, or what fits a pattern."""
    if os.path.lexists(word):
        return [word]
    if found := glob(word, recursive=True):  # where no shell has done it
        return found
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
