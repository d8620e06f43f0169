"""The commands `predict` and `report`, which apply a saved model to images."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import is_zipfile

import click

from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._apply import ResultTable, curate
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import PATH, count, say, together, working
from sklearn_mfavb.command_line._results import (
    ResultFolder,
    write_page,
    write_results,
)
from sklearn_mfavb.command_line._sorting import sort_files
from sklearn_mfavb.decisions import model_fingerprint, read_decisions
from sklearn_mfavb.naming import cluster_names

_model_and_images = together(
    click.argument("model", type=PATH),
    shared.images,
    click.option("--encoder-cache", type=PATH, help="Folder for encoders' features."),
)


@click.command(
    epilog="Example: sklearn-mfavb predict clusters/model.mfavb new_photos -o new"
)
@_model_and_images
@shared.results
@shared.also
@click.option("--decisions", type=PATH, help="A decisions.json that a report exported.")
@click.pass_obj
def predict(words: list[str], /, **given: Any) -> None:
    """Assign images to the clusters of a saved model.

    MODEL is the model.mfavb of an earlier run. PATHS are folders, files, patterns, or
    @LIST, a text file with one path a line.
    """
    options = SimpleNamespace(**given)
    images, results = Images(options.paths), ResultFolder(options.out)
    results.check(overwrite=options.overwrite)
    _check_model(options.model)
    decisions = None
    if options.decisions is not None:
        decisions = read_decisions(options.decisions)
        if {"json", "parquet"}.intersection(options.also):
            raise click.UsageError("--decisions are for clusters.csv, not for --also.")
    images.find(exclude=options.exclude, on_error=options.on_error, out=options.out)
    results.make()
    estimator = _load(options)
    if decisions is not None:
        model = model_fingerprint(estimator)
        decisions.check_model(estimator.n_clusters_, model)
    say(f"reading {count(len(images.paths), 'image')} in {images.title}")
    figures = {"model": os.path.abspath(options.model)}
    found = write_results(
        estimator, images, results, also=options.also, words=words, figures=figures
    )
    results.report.unlink(missing_ok=True)  # a page of other results
    if decisions is None:
        names = cluster_names(estimator)
        sort_files(images.paths, names, found, results.path, options.sort)
    else:
        curate(decisions, ResultTable(results.path), results.path, options.sort)


@click.command(
    epilog="Example: sklearn-mfavb report clusters/model.mfavb new_photos -o new.html"
)
@_model_and_images
@click.option("-o", "--out", type=PATH, required=True, help="File to write, .html.")
@click.option("--overwrite", is_flag=True, help="Replace --out if it is there.")
@shared.seed
def report(**given: Any) -> None:
    """Write an HTML report for images and a saved model.

    MODEL is the model.mfavb of an earlier run. PATHS are folders, files, patterns, or
    @LIST, a text file with one path a line.
    """
    options = SimpleNamespace(**given)
    images = Images(options.paths)
    if os.path.lexists(options.out) and not options.overwrite:
        raise ValueError(
            f"--out {options.out} is there already. Choose another file, or add "
            "--overwrite to replace it."
        )
    _check_model(options.model)
    images.find(exclude=options.exclude, on_error=options.on_error)
    estimator = _load(options)
    write_page(estimator, images.paths, options.out, images.title, options.seed)


def _check_model(model: Path) -> None:
    """Refuse what is certainly no model, before torch is imported."""
    if not model.exists():
        raise FileNotFoundError(f"There is no model {str(model)!r}.")
    if not is_zipfile(model):
        raise ValueError(
            f"{model} is not a model file: expected the model.mfavb that `cluster` "
            "wrote."
        )


def _load(options: SimpleNamespace) -> Any:
    """Load the model, to read as the options say."""
    say(f"loading {options.model}")
    with working("loading the model"):
        from sklearn_mfavb.persistence import load

        estimator = load(options.model, device=options.device)
    estimator.set_params(reading__on_error=options.on_error)
    if options.encoder_cache is not None:
        encoders = estimator.model_.encoders
        transformers = [each.transformer for each in encoders if each.transformer]
        if not transformers:
            raise ValueError(f"{options.model} has no encoder: omit --encoder-cache.")
        for transformer in transformers:
            transformer.set_params(cache_dir=os.path.abspath(options.encoder_cache))
    return estimator
