"""The command `cluster`: from images to a folder of results."""

import inspect
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import click
from click import option

import sklearn_mfavb
from sklearn_mfavb.command_line import _options as shared
from sklearn_mfavb.command_line._images import Images
from sklearn_mfavb.command_line._options import (
    PATH,
    PROGRAM,
    OrAuto,
    count,
    duration,
    say,
    together,
)
from sklearn_mfavb.command_line._results import (
    ResultFolder,
    sort_files,
    write_page,
    write_results,
)

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
    "n_clusters": "Number of clusters, if you know it; auto looks for one, better "
    "with --encoder.",
    "encoder": "Use features of a pretrained model of open_clip or timm, as ViT-B-32.",
    "encoder_weights": "Its weights: a tag, downloaded once, or a file.  [default: "
    "OpenAI's, or those that timm prefers]",
    "encoder_cache": "Folder for its features.  [default: features in --out]",
    "image_size": "Side of images, in pixels.  [default: their own, at most 64]",
    "max_epochs": "Passes over the images; for scan and anchor this is the main stage, "
    "other stages scale with it.  [default: 40; with --encoder, 350 steps, or 900 "
    "of other methods]",
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
@option("--resume", is_flag=True, help="Continue training kept in --out, if any.")
@option("--no-report", is_flag=True, help="Write no report.html.")
@option("--method", type=click.Choice(list(METHODS)), default="mfavb")
@option("--encoder", help=HELP["encoder"])
@option("--encoder-weights", help=HELP["encoder_weights"])
@option("--encoder-cache", type=PATH, help=HELP["encoder_cache"])
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

    PATHS are folders, which are searched with their subfolders, files, or @LIST, a text
    file with one path a line.
    """
    options = SimpleNamespace(**given)
    if options.resume and options.overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    for name in ("weights", "cache"):
        if options.encoder is None and given[f"encoder_{name}"] is not None:
            raise click.UsageError(f"--encoder-{name} needs --encoder.")
    images, results = Images(options.paths), ResultFolder(options.out)
    if _leads():
        results.check(overwrite=options.overwrite, resume=options.resume)
        say(f"looking for images in {images.title}")
    estimator = _make_estimator(options, results)
    images.find(exclude=options.exclude, on_error=options.on_error, out=options.out)
    n_images = count(len(images.paths), "image")
    if options.n_clusters != "auto" and options.n_clusters > len(images.paths):
        raise ValueError(f"--n-clusters {options.n_clusters} is more than {n_images}.")
    if not _leads():
        estimator.set_params(verbose=0).fit(images.paths)
        return
    results.make()
    results.keep_earlier_training(resume=options.resume)
    doing = "resuming with" if results.has_training else "clustering"
    say(f"{doing} {n_images} in {images.title}")
    with _advising_resume(results, words):
        estimator.fit(images.paths)
        is_complete = not results.checkpoint.exists()  # `fit` removes it at its end
        # What belongs to this run is unset: the model is for any machine.
        estimator.set_params(training__checkpoint=None, training__callbacks=None)
        if estimator.encoder is not None:
            estimator.set_params(encoder__cache_dir=None)
        estimator.save(results.model)
        figures = {
            "is_complete": is_complete,
            "seconds_of_training": sum(row["seconds"] for row in estimator.history_),
            "history": estimator.history_,
        }
        found = write_results(estimator, images, results, words=words, figures=figures)
        if options.no_report:
            results.report.unlink(missing_ok=True)  # a page of other results
        else:
            write_page(estimator, found, results.report, images.title, options.seed)
        results.forget_replaced_training()
    sort_files(images.paths, found, results.path, options.sort)
    if not is_complete:
        say(f"training ended early: these are the results so far. {_advice(words)}")


def _leads() -> bool:
    """Whether this process writes: the first of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def _make_estimator(options: SimpleNamespace, results: ResultFolder) -> Any:
    """Make the estimator that the options describe."""
    from sklearn_mfavb import CLIPFeatures, Reading, Training
    from sklearn_mfavb.training import TimeBudget

    cls = getattr(sklearn_mfavb, METHODS[options.method])
    given = {name: getattr(options, name) for name in PARAMETERS}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen.keys() - inspect.signature(cls).parameters.keys():
        value = chosen[name]
        raise ValueError(f"{name}={value} has no effect on --method {options.method}.")
    encoder, callbacks = None, [_make_keeper(results)] if _leads() else []
    if options.time_budget is not None:
        callbacks.append(TimeBudget(options.time_budget))
    if options.encoder is not None:
        encoder = CLIPFeatures(
            options.encoder,
            options.encoder_weights,
            cache_dir=os.path.abspath(options.encoder_cache or results.features),
            device=options.device,
            verbose=1,
        )
    return cls(
        options.n_clusters,
        encoder=encoder,
        reading=Reading(on_error=options.on_error),
        training=Training(checkpoint=results.checkpoint, callbacks=callbacks),
        device=options.device,
        verbose=1,
        random_state=options.seed,
        **chosen,
    )


def _make_keeper(results: ResultFolder) -> Any:
    """Make the callback that keeps training until there are results.

    `fit` removes its checkpoint when training is complete, and what comes then may
    fail, on a full disk say. So the file gets a second name.
    """
    from skorch.callbacks import Callback

    class KeepTraining(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            results.last_checkpoint.unlink(missing_ok=True)  # an earlier stage's

        def on_train_end(self, net: Any, **kwargs: Any) -> None:
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
            error.add_note(f"Training is kept in {results.path}. {_advice(words)}")
        elif results.checkpoint.name in str(error):
            error.add_note(
                "To resume, repeat the original options. To start over, choose another "
                "--out or add --overwrite."
            )
        raise


def _advice(words: Sequence[str]) -> str:
    """Write the command line, for a shell, that continues that of these words."""
    command, *rest = words
    kept = [word for word in rest if word not in ("--overwrite", "--resume")]
    again = [PROGRAM, command, "--resume", *kept]  # the option before a "--"
    return f"Continue with:\n  {shlex.join(again)}"
