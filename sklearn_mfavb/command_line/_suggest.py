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

    PATHS are those of `cluster`. From 30 clusters those are merged that are least
    separate, by the features of --encoder or, less reliably, by pixels. Each number has
    the lowest separation of two clusters, among 10 and among 40 neighbors: 1 if no
    neighbors are in the other cluster, 0 if as many are as by chance. The number
    suggested has a *.
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
    """Print the separation for the numbers that are nearest to the one suggested."""
    nearest = sorted(scores, key=lambda n: abs(n - suggested))[:_MOST_ROWS]
    print("clusters  10 neighbors  40 neighbors")
    for n in sorted(nearest):
        mark = "*" if n == suggested else " "
        print(f"{n:7}{mark} {scores[n][0]:13.2f} {scores[n][1]:13.2f}")
