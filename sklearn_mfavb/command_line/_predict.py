"""The commands `predict` and `report`, which apply a saved model to images."""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zipfile import is_zipfile

import click

from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._apply import ResultTable, curate
from sklearn_mfavb.command_line._growing import GrowingTables
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import PATH, count, say, together, working
from sklearn_mfavb.command_line._results import (
    ResultFolder,
    advice,
    print_summary,
    write_page,
    write_summary,
)
from sklearn_mfavb.command_line._sorting import sort_files
from sklearn_mfavb.decisions import model_fingerprint, read_decisions
from sklearn_mfavb.naming import cluster_names

CACHE = "Folder for encoders' features.  [default: features beside MODEL, if any]"
_IMAGES_OF_BLOCK = 512  # some ten seconds of an encoder on a CPU with many cores

_model_and_images = together(
    click.argument("model", type=PATH),
    shared.images,
    click.option("--encoder-cache", type=PATH, help=CACHE),
)


@click.command(
    epilog="Example: sklearn-mfavb predict clusters/model.mfavb new_photos -o new"
)
@_model_and_images
@shared.results
@shared.also
@click.option("--resume", is_flag=True, help="Continue the table in --out, if any.")
@click.option("--decisions", type=PATH, help="A decisions.json that a report exported.")
@click.pass_obj
def predict(words: list[str], /, **given: Any) -> None:
    """Assign images to the clusters of a saved model.

    MODEL is the model.mfavb of an earlier run. PATHS are folders, files, patterns, or
    @LIST, a text file with one path a line.
    """
    options = SimpleNamespace(**given)
    if options.resume and options.overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    images, results = Images(options.paths), ResultFolder(options.out)
    results.check(overwrite=options.overwrite, resume=options.resume, begun="table")
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
    tables = GrowingTables(results.path, options.also, len(images.paths))
    _label(estimator, images, tables, options, words)
    figures = {"model": os.path.abspath(options.model)}
    progress = tables.progress
    summary = write_summary(estimator, images, results, progress, words, figures)
    results.report.unlink(missing_ok=True)  # a page of other results
    if decisions is not None:
        tables.clear()  # what is curated cannot be continued
        curate(decisions, ResultTable(results.path), results.path, options.sort)
    else:
        print_summary(summary, estimator, results)
        if options.sort is not None:  # a table of a million rows takes long to read
            names, found = cluster_names(estimator), ResultTable(results.path).found
            sort_files(images.paths, names, found, results.path, options.sort)
    tables.clear()


def _label(
    estimator: Any,
    images: Images,
    tables: GrowingTables,
    options: SimpleNamespace,
    words: Sequence[str],
) -> None:
    """Label images block by block; those that have a row already are left out."""
    from sklearn_mfavb.estimators import Prediction
    from sklearn_mfavb.images import describe_version

    names, n_images = cluster_names(estimator), len(images.paths)
    for encoder in estimator.model_.encoders:
        if encoder.transformer:
            encoder.transformer.set_params(verbose=0)  # one bar is enough
    versions = "\0".join(map(describe_version, images.paths))
    digest = sha256(versions.encode(errors="surrogateescape")).hexdigest()
    settings = {
        "model": f"{model_fingerprint(estimator)} with the clusters {', '.join(names)}",
        "images": f"{n_images:,} with the fingerprint {digest[:16]}",
        "also": ",".join(sorted(options.also)) or "nothing",
    }
    if options.resume and tables.is_begun:
        tables.resume(settings)
    else:
        tables.begin(settings)
    rest = count(n_images - tables.n_done, "image")
    say(f"labeling {rest} in {images.title}")
    try:
        with working("labeling the images"):
            from tqdm.auto import tqdm

            from sklearn_mfavb.inspection import Findings

            bar = tqdm(total=n_images, initial=tables.n_done, desc="labeling")
            with bar:
                while tables.n_done < n_images:
                    start = tables.n_done
                    block = images.paths[start : start + _IMAGES_OF_BLOCK]
                    images_of_block = Prediction(estimator, block, None)
                    if _learn_range(estimator, images_of_block, images.paths):
                        images_of_block = Prediction(estimator, block, None)
                    inputs = images_of_block.dataset
                    found = Findings(inputs, *images_of_block.find())
                    paths = list(map(images.name, block))
                    tables.add(found, inputs.unreadable, paths, names)
                    bar.update(len(block))
        if len(unreadable := tables.progress["unreadable"]) < n_images:
            tables.finish()
    except BaseException as error:
        done = f"{tables.n_done:,} of {count(n_images, 'image')} are labeled."
        error.add_note(f"{done} {advice(words)}")
        raise
    if len(unreadable) == n_images:
        tables.clear()
        name, why = next(iter(unreadable.items()))
        raise ValueError(f"None of the {n_images:,} images can be read: {name}: {why}")


def _learn_range(estimator: Any, block: Any, paths: Sequence[str]) -> bool:
    """Learn one range for all files of more than 8 bits, if a block has the first."""
    from sklearn_mfavb.estimators import open_inputs

    model, format = estimator.model_, block.dataset.source.format
    if format == model.image_format:
        return False
    _, everything, _ = open_inputs(
        estimator, paths, None, image_format=model.image_format, reset=False
    )
    model.image_format = cast(Any, everything).format
    return True


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
    encoders = [e.transformer for e in estimator.model_.encoders if e.transformer]
    if options.encoder_cache is not None and not encoders:
        raise ValueError(f"{options.model} has no encoder: omit --encoder-cache.")
    beside = options.model.parent / "features"  # where `cluster` keeps them
    cache = options.encoder_cache or beside
    for encoder in encoders if options.encoder_cache or beside.is_dir() else []:
        encoder.set_params(cache_dir=os.path.abspath(cache)).hold_cache()
    return estimator
