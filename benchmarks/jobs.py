"""Runs in processes of their own; importing this imports nothing heavy."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ChildFailed", "Job", "MissingFeatures", "Run", "measure_in_child"]

# Children are forked from a server that has imported these and done nothing else: they
# are as fresh as spawned ones, but start in 0.1 s instead of the 5 s of the imports,
# and their memory is counted from there. (A spawned child's peak starts at that of its
# parent: Linux keeps it over exec.)
PRELOADED = ["sklearn_mfavb.estimators", "sklearn.mixture", "timm"]


class Run(NamedTuple):
    """What tells one fit from all others."""

    method: str
    dataset: str
    seed: int
    profile: str


class Job(NamedTuple):
    """A run, and where the images are on this machine."""

    run: Run
    data_dir: Path | None


class MissingFeatures(Exception):
    """A set has no features, and the method needs them."""


class ChildFailed(Exception):
    """A process ended without a record."""


def measure_in_child(job: Job) -> dict[str, Any]:
    """Return the record of a job, run in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_record, args=(sender, job))
    child.start()
    sender.close()  # so that a dead child is the end of the pipe
    try:
        outcome = receiver.recv()
    except EOFError:
        child.join()
        raise ChildFailed(f"its process ended with code {child.exitcode}") from None
    except BaseException:
        child.kill()
        raise
    child.join()
    if isinstance(outcome, MissingFeatures):
        raise outcome
    return outcome


def _send_record(sender: Connection, job: Job) -> None:
    """Measure in the child; any other error ends it, with a traceback."""
    from fitting import measure

    try:
        sender.send(measure(job))
    except MissingFeatures as error:
        sender.send(error)
