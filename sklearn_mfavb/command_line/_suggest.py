"""The command `suggest`: how many clusters there may be."""

import shlex
from types import SimpleNamespace
from typing import Any

import click

from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._encoders import (
    check_encoders,
    encoder_options,
    make_encoders,
)
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import PROGRAM, count, say, working

_MOST_ROWS = 8


@click.command(epilog="Example: sklearn-mfavb suggest photos --encoder ViT-B-32")
@encoder_options
@shared.images
@click.pass_obj
def suggest(words: list[str], /, **given: Any) -> None:
    """Tell how many clusters there may be.

    PATHS are those of `cluster`. Three criteria are tried with up to 30 clusters, on
    the features of --encoder or, less reliably, on pixels. Support is their mean, each
    as a share of its highest value; the number suggested, with a *, is the middle one
    of those that the criteria prefer.
    """
    options = SimpleNamespace(**given)
    check_encoders(options)
    images = Images(options.paths)
    images.find(exclude=options.exclude, on_error=options.on_error)
    say(f"reading {count(len(images.paths), 'image')} in {images.title}")
    with working("starting") as show:
        from sklearn_mfavb import KMeansClustering, Reading

        clusterer = KMeansClustering(
            "auto",
            encoder=make_encoders(options, options.encoder_cache),
            reading=Reading(on_error=options.on_error),
            device=options.device,
            random_state=0,
            verbose=1,
        )
        show("trying numbers of clusters")
        clusterer.fit(images.paths)
    _print_table(clusterer.n_clusters_, clusterer.n_clusters_scores_)
    begun = f"{PROGRAM} cluster -k {clusterer.n_clusters_} -o DIR"
    print(f"Cluster with:\n  {begun} {shlex.join(words[1:])}")


def _print_table(suggested: int, scores: Any) -> None:
    """Print the numbers with the most support, and those that criteria prefer."""
    highest = [max(column) for column in zip(*scores.values(), strict=True)]
    shares = {
        n: [
            max(0.0, s) / best if best > 0 else 0.0
            for s, best in zip(row, highest, strict=True)
        ]
        for n, row in scores.items()
    }
    support = {n: sum(row) / len(row) for n, row in shares.items()}
    preferred = {suggested, *(n for n, row in shares.items() if 1.0 in row)}
    others = sorted(scores.keys() - preferred, key=lambda n: -support[n])
    print("clusters  support  silhouette  10 neighbors  30 neighbors")
    for n in sorted([*preferred, *others[: _MOST_ROWS - len(preferred)]]):
        mark = "*" if n == suggested else " "
        print(
            f"{n:7}{mark} {support[n]:8.2f}"
            + "{:12.2f}{:14.2f}{:14.2f}".format(*scores[n])
        )
