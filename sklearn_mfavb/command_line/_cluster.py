"""The command `cluster`: from a folder of images to a folder of results."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from sklearn_mfavb.command_line._estimators import make_estimator
from sklearn_mfavb.command_line._input import find_images
from sklearn_mfavb.command_line._result_folder import ResultFolder
from sklearn_mfavb.command_line._results import write_results
from sklearn_mfavb.command_line._telling import continuation, say
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.report import write_report
from sklearn_mfavb.training import TimeBudget


class KeepTraining(Callback):
    """Keep the checkpoint of a stage that ends, and let go of what it replaces.

    Parameters
    ----------
    results : ResultFolder
        Where the checkpoint is.
    """

    def __init__(self, results: ResultFolder) -> None:
        self.results = results

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Begin a stage: the end of the one before is not that of training."""
        self.results.forget_last_checkpoint()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Let go of the run before, as soon as there is something to go on with."""
        self.results.forget_earlier()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Keep what `fit` removes when all stages are over."""
        self.results.keep_checkpoint()


def run(parsed: argparse.Namespace) -> None:
    """Cluster the images below a folder, and write what was found.

    Parameters
    ----------
    parsed : argparse.Namespace
        Options of the command, and ``words``, the command line.
    """
    began_at = time.monotonic()
    results = ResultFolder(parsed.out)
    paths = find_images(parsed.folder, parsed.out)
    if parsed.resume:
        results.resume()
    else:
        results.begin(overwrite=parsed.overwrite, can_resume=True)
        results.set_aside_training()
    estimator = make_estimator(parsed, results)
    doing = "going on with" if results.has_training else "clustering"
    say(f"{doing} {len(paths):,} files below {parsed.folder}")
    with _saying_how_to_go_on(results, parsed.words):
        is_complete = _fit(estimator, paths, results, time_budget=parsed.time_budget)
        estimator.save(results.model)
        figures = {
            "is_complete": is_complete,
            "seconds_of_training": sum(row["seconds"] for row in estimator.history_),
            "history": estimator.history_,
        }
        write_results(
            estimator,
            paths,
            results,
            parsed=parsed,
            began_at=began_at,
            figures=figures,
        )
        if parsed.report:
            _write_report(estimator, paths, results, parsed)
        results.finish(has_report=parsed.report)
    if not is_complete:
        _say_how_to_go_on(parsed.words)


def _fit(
    estimator: BaseImageClusterer,
    paths: list[str],
    results: ResultFolder,
    *,
    time_budget: float | None,
) -> bool:
    """Train with a checkpoint; say whether that was all, or there is more to train."""
    callbacks: list[Callback] = [KeepTraining(results)]
    if time_budget is not None:
        callbacks.append(TimeBudget(time_budget))
    estimator.set_params(callbacks=callbacks, checkpoint=results.checkpoint)
    estimator.fit(paths)
    # The model is for any machine: what belongs to this run is no part of it.
    estimator.set_params(callbacks=None, checkpoint=None)
    if estimator.clip is not None:
        estimator.set_params(clip__cache_dir=None)
    return not results.checkpoint.exists()  # `fit` removes it when all is trained


def _write_report(
    estimator: BaseImageClusterer,
    paths: list[str],
    results: ResultFolder,
    parsed: argparse.Namespace,
) -> None:
    """Write the page, under the name of the folder as it was typed."""
    say("writing the report")
    write_report(
        estimator,
        paths,
        results.report,
        title=f"Clusters of {parsed.folder}",
        random_state=parsed.seed,
    )
    print(f"report: {results.report}")


@contextmanager
def _saying_how_to_go_on(results: ResultFolder, words: Sequence[str]) -> Iterator[None]:
    """Note on an error that training is kept, unless it would happen again.

    Settings that make no sense and losses that are not finite end the training that
    goes on where they ended this one. What fails when it has ended is worth a try.
    """
    try:
        yield
    except BaseException as error:
        is_of_training = isinstance(error, ValueError | FloatingPointError)
        if results.has_ended or (results.has_training and not is_of_training):
            error.add_note(
                f"Training is kept in {results.path}. Go on with:\n"
                f"  {continuation(words)}"
            )
        raise


def _say_how_to_go_on(words: Sequence[str]) -> None:
    """Say that the results are not those of the whole training, and how to go on."""
    say(
        "training ended early: these are the results so far. Go on with:\n"
        f"  {continuation(words)}"
    )
