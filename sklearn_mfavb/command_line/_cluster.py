"""The command `cluster`: from images to a folder of results."""

import inspect
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import click
from click import option

import sklearn_mfavb
from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._encoders import (
    check_encoders,
    encoder_options,
    make_encoders,
)
from sklearn_mfavb.command_line._estimate import estimate_seconds
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._names import (
    check_words,
    name_clusters,
    words_option,
)
from sklearn_mfavb.command_line._options import (
    OrAuto,
    count,
    duration,
    say,
    together,
    working,
)
from sklearn_mfavb.command_line._results import (
    ResultFolder,
    advice,
    write_page,
    write_results,
)
from sklearn_mfavb.command_line._sorting import sort_files
from sklearn_mfavb.naming import cluster_names

# Every estimator of the package, by its name without "Clustering".
METHODS = {
    name.removesuffix("Clustering").lower(): name
    for name in sklearn_mfavb.__all__
    if name.endswith("Clustering")
}
# Options that set a parameter of the same name; without them it keeps its default.
PARAMETERS = {
    "assignment": click.Choice(["mixture", "kmeans", "head"]),
    "balance": OrAuto(click.FloatRange(0)),
    "image_size": click.IntRange(8),
    "max_epochs": click.IntRange(1),
    "outliers": OrAuto(click.FloatRange(0, 0.5)),
}
HELP = {
    "n_clusters": "Number of clusters; auto estimates it, more reliably with "
    "--encoder. See `suggest`.",
    "dry_run": "Only tell how long it may take, after a trial on 128 of the images.",
    "method": "mfavb, one of its relatives, or kmeans as a baseline.",
    "image_size": "Side of images, in pixels.  [default: their own, at most 64]",
    "max_epochs": "Passes over the images; for scan, anchor, gcc and c3 this is the "
    "main stage, other stages scale with it.  [default: 40; with --encoder, 350 "
    "steps, or 900 of other methods]",
    "assignment": "What labels images after training.  [default: the method's own]",
    "balance": "How strongly clusters are kept equally large: 0 not at all, 1 fully.  "
    "[default: auto, as the images have it]",
    "outliers": "Share of the images that belong to no cluster; auto finds those that "
    "are unlike all others.  [default: 0]",
}


@click.command(
    epilog="Example: sklearn-mfavb cluster photos --encoder ViT-B-32 -o clusters"
)
@option(
    *("-k", "--n-clusters"),
    type=OrAuto(click.IntRange(2)),
    default="auto",
    help=HELP["n_clusters"],
)
@shared.results
@shared.also
@option("--resume", is_flag=True, help="Continue training kept in --out, if any.")
@option("--dry-run", is_flag=True, help=HELP["dry_run"])
@option("--no-report", is_flag=True, help="Write no report.html.")
@option(
    "--method", type=click.Choice(list(METHODS)), default="mfavb", help=HELP["method"]
)
@encoder_options
@words_option
@together(
    *(
        option(f"--{name.replace('_', '-')}", type=kind, help=HELP[name])
        for name, kind in PARAMETERS.items()
    )
)
@option("--time-budget", type=duration, help="End training after 90s, 20m or 1.5h.")
@shared.seed
@shared.images
@click.pass_obj
def cluster(words: list[str], /, **given: Any) -> None:
    """Cluster images.

    PATHS are folders, which are searched with their subfolders, files, patterns such as
    'photos/*.jpg', or @LIST, a text file with one path a line.
    """
    options = SimpleNamespace(**given)
    if options.resume and options.overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    check_encoders(options)
    check_words(options)
    images, results = Images(options.paths), ResultFolder(options.out)
    if _leads():
        results.check(overwrite=options.overwrite, resume=options.resume)
        say(f"looking for images in {images.title}")
    images.find(exclude=options.exclude, on_error=options.on_error, out=options.out)
    n_images = count(len(images.paths), "image")
    if options.n_clusters != "auto" and options.n_clusters > len(images.paths):
        raise ValueError(f"--n-clusters {options.n_clusters} is more than {n_images}.")
    if options.dry_run:
        _print_estimate(options, images, results)
        return
    if not _leads():
        estimator = _make_estimator(options, results, lambda doing: None)
        estimator.set_params(verbose=0).fit(images.paths)
        return
    results.make()
    with working("starting") as show, _advising_resume(results, words):
        estimator = _make_estimator(options, results, show)
        results.keep_earlier_training(resume=options.resume)
        doing = "resuming with" if results.has_training else "clustering"
        say(f"{doing} {n_images} in {images.title}")
        show("reading the images")
        estimator.fit(images.paths)
        show("naming the clusters")
        name_clusters(estimator, options.words)
        show("saving the model")
        is_complete = _save(estimator, results)
    figures = {
        "is_complete": is_complete,
        "seconds_of_training": sum(row["seconds"] for row in estimator.history_),
        "history": estimator.history_,
    }
    with _advising_resume(results, words):
        found = write_results(
            estimator, images, results, also=options.also, words=words, figures=figures
        )
        if options.no_report:
            results.report.unlink(missing_ok=True)  # a page of other results
        else:
            write_page(estimator, found, results.report, images.title, options.seed)
        results.forget_replaced_training()
    if is_complete or options.sort != "move":  # training goes on with these files
        names = cluster_names(estimator)
        sort_files(images.paths, names, found, results.path, options.sort)
    else:
        say("no images were moved, so that training can go on")
    if not is_complete:
        say(f"training ended early: these are the results so far. {advice(words)}")


def _leads() -> bool:
    """Whether this process writes: the first of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def _print_estimate(
    options: SimpleNamespace, images: Images, results: ResultFolder
) -> None:
    """Print how long each part may take, and write nothing."""
    with working("trying it on some images") as show:
        estimator = _make_estimator(options, results, show)
        seconds = estimate_seconds(estimator, images.paths, options.time_budget)
    parts = [f"{part} {_about(each)}" for part, each in seconds.items()]
    print(f"{_about(sum(seconds.values()))}: {', '.join(parts)}")


def _about(seconds: float) -> str:
    """Write a rough duration."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s"


def _save(estimator: Any, results: ResultFolder) -> bool:
    """Save a model for any machine; return whether its training is complete."""
    # What belongs to this run is unset.
    estimator.set_params(training__checkpoint=None, training__callbacks=None)
    for encoder in estimator.encoder or []:
        encoder.set_params(cache_dir=None)
    estimator.save(results.model)
    return not results.checkpoint.exists()  # `fit` removes it at its end


def _make_estimator(
    options: SimpleNamespace, results: ResultFolder, show: Callable[[str], None]
) -> Any:
    """Make the estimator that the options describe."""
    from sklearn_mfavb import Reading, Training
    from sklearn_mfavb.training import TimeBudget

    cls = getattr(sklearn_mfavb, METHODS[options.method])
    given = {name: getattr(options, name) for name in PARAMETERS}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen.keys() - inspect.signature(cls).parameters.keys():
        value = chosen[name]
        raise ValueError(f"{name}={value} has no effect on --method {options.method}.")
    callbacks = [_make_keeper(results, show)] if _leads() else []
    if options.time_budget is not None:
        callbacks.append(TimeBudget(options.time_budget))
    return cls(
        options.n_clusters,
        encoder=make_encoders(options, options.encoder_cache or results.features),
        reading=Reading(on_error=options.on_error),
        training=Training(checkpoint=results.checkpoint, callbacks=callbacks),
        device=options.device,
        verbose=1,
        random_state=options.seed,
        **chosen,
    )


def _make_keeper(results: ResultFolder, show: Callable[[str], None]) -> Any:
    """Make the callback that keeps training until there are results.

    `fit` removes its checkpoint when training is complete, and what comes then may
    fail, on a full disk say. So the file gets a second name.
    """
    from skorch.callbacks import Callback

    class KeepTraining(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            show("training")
            results.last_checkpoint.unlink(missing_ok=True)  # an earlier stage's

        def on_train_end(self, net: Any, **kwargs: Any) -> None:
            show("finding clusters")
            results.last_checkpoint.unlink(missing_ok=True)
            try:
                os.link(results.checkpoint, results.last_checkpoint)
            except FileNotFoundError:  # no epoch was complete
                pass
            except OSError:  # a file system without links
                shutil.copyfile(results.checkpoint, results.last_checkpoint)

    return KeepTraining()


@contextmanager
def _advising_resume(results: ResultFolder, words: Sequence[str]) -> Iterator[None]:
    """Note on an error that training is kept.

    Not where it would end again as it did now, by settings that make no sense or a loss
    that is not finite. What failed after training is worth another try.
    """
    try:
        yield
    except BaseException as error:
        is_lasting = isinstance(error, ValueError | FloatingPointError)
        is_after = results.last_checkpoint.exists()
        if is_after or (results.has_training and not is_lasting):
            error.add_note(f"Training is kept in {results.path}. {advice(words)}")
        elif results.checkpoint.name in str(error):
            error.add_note(
                "To resume, repeat the original options. To start over, choose another "
                "--out or add --overwrite."
            )
        raise
