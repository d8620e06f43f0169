"""The option `--words`, and the names that clusters get by it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from sklearn_mfavb.command_line._options import PATH, say

words_option = click.option(
    "--words",
    type=PATH,
    help="Words to name clusters by: a text file with one a line.  [default: 3,610 "
    "nouns, if the encoder has a text tower]",
)


def check_words(options: SimpleNamespace) -> None:
    """Refuse words that cannot be used, before the work."""
    if options.words is None:
        return
    if not options.encoder:
        raise click.UsageError("--words needs --encoder.")
    from sklearn_mfavb.words import read_words

    read_words(options.words)


def name_clusters(estimator: Any, words: Path | None) -> None:
    """Name clusters, if the text tower can be had: without it results are whole."""
    if estimator.encoder is None:
        return
    try:
        estimator.name_clusters(words)
    except (ImportError, OSError, ValueError) as error:
        say(f"clusters have numbers for names: {error}")
