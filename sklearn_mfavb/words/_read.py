"""Lists of words, from the package, a file or the user."""

import os
from collections.abc import Iterable, Sequence
from importlib.resources import files

Words = str | os.PathLike[str] | Sequence[str] | None


def read_words(words: Words = None) -> list[str]:
    """Read the words that clusters may be named by.

    Parameters
    ----------
    words : str, path-like or sequence of str, default=None
        A text file in UTF-8 with one word or phrase a line, or a list of words; blank
        ones do not count. None stands for 3,610 nouns of WordNet: things, animals,
        plants, food and places that a picture can show.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TypeError
        If the words are no texts.
    ValueError
        If the file is not UTF-8, if there are no words, or if one is there twice.
    """
    if words is None:
        return (files(__package__) / "nouns.txt").read_text("utf-8").splitlines()
    if not isinstance(words, str | os.PathLike):
        if not isinstance(words, Iterable) or not all(
            isinstance(word, str) for word in words
        ):
            raise TypeError(
                f"words must be a text file or a list of texts, got {words!r}."
            )
        return _check(words, "words")
    name = f"The words file {os.fspath(words)!r}"
    try:
        with open(words, encoding="utf-8-sig") as file:
            return _check(file, name)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8: {error.reason} at byte {error.start}. Save it as "
            "text in UTF-8, with one word a line."
        ) from error


def _check(words: Iterable[str], name: str) -> list[str]:
    """Strip words and drop blank ones, or raise an error that begins with a name."""
    positions: dict[str, int] = {}  # capital letters make no difference to encoders
    kept = []
    for position, word in enumerate(map(str.strip, words), start=1):
        if not word:
            continue
        if (before := positions.setdefault(word.casefold(), position)) != position:
            raise ValueError(
                f"{name} has {word!r} twice, in lines {before} and {position}: each "
                "word can name one cluster, so leave it once."
            )
        kept.append(word)
    if not kept:
        raise ValueError(f"{name} holds no words: write one word or phrase a line.")
    return kept
