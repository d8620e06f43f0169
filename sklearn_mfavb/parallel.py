"""Work on many images, split over the workers of joblib: processes, Dask, Ray, Spark.

Which workers, and how many, is said by `joblib.parallel_config`, or `n_jobs`. Without
either everything runs in the calling process, and nothing is copied.
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, pairwise
from typing import Any
from uuid import uuid4

import cloudpickle
import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from numpy.typing import NDArray

from sklearn_mfavb.distributed import divide, is_joint

Positions = NDArray[np.int64]

# Enough that a reader does not wait for the one who works on what was read.
_N_AHEAD = 2
# A lost worker costs its part again, and a part the sending of its images.
_PARTS_PER_WORKER = 4
_LARGEST_PART = 1024  # images, or one batch


def read_ahead(items: Iterable[Any]) -> Iterator[Any]:
    """Yield items in order, while a thread makes the next two.

    The first is made in the calling thread: what is random belongs there.
    """
    iterator, end = iter(items), object()
    if (first := next(iterator, end)) is end:
        return
    with ThreadPoolExecutor(1) as thread:
        ready = deque(thread.submit(next, iterator, end) for _ in range(_N_AHEAD))
        yield first
        while (item := ready.popleft().result()) is not end:
            ready.append(thread.submit(next, iterator, end))
            yield item


def map_parts(
    function: Callable[[Any, Sequence[Positions]], Iterator[Any]],
    images: Any,
    batches: Sequence[Positions],
    *,
    n_jobs: int | None = None,
) -> Iterator[Any]:
    """Yield the outputs of a function for consecutive batches, in order.

    Parameters
    ----------
    function : callable
        From images and batches of positions in them to outputs, one for each batch.
    images : ImageSource or ImageDataset
        Has ``part(positions)``, ``note_unreadable`` and ``describe(positions)``.
    batches : sequence of ndarray of int64
        Consecutive positions. They stay as they are, however many workers there are,
        and so do the outputs.
    n_jobs : int, default=None
        Number of workers; None takes what `joblib.parallel_config` says, else 1.

    Raises
    ------
    ChildProcessError
        If a worker is lost. The images that it had are named.
    """
    n_workers = effective_n_jobs(n_jobs)
    if n_workers == 1 and is_joint():
        yield from divide(function, images, batches)
        return
    if n_workers == 1:
        yield from function(images, batches)
        return
    n_parts = max(_PARTS_PER_WORKER * n_workers, len(images) // _LARGEST_PART)
    ends = np.linspace(0, len(batches), min(n_parts, len(batches)) + 1).astype(int)
    runs = [batches[start:stop] for start, stop in pairwise(ends)]
    positions = [np.concatenate(run) for run in runs]
    tasks = (
        (images.part(whole), [batch - whole[0] for batch in run])
        for run, whole in zip(runs, positions, strict=True)
    )
    outcomes = map_tasks(
        partial(_run_part, function),
        tasks,
        describe=lambda first, last: images.describe(positions[first], positions[last]),
        n_jobs=n_jobs,
    )
    for whole, (output, unreadable) in zip(positions, outcomes, strict=True):
        images.note_unreadable(whole, unreadable)
        yield output


def map_tasks(
    function: Callable[..., Any],
    tasks: Iterable[Any],
    *,
    describe: Callable[[int, int], str],
    n_jobs: int | None = None,
) -> Iterator[Any]:
    """Yield ``function(*task)`` for every task, in order.

    Tasks are taken when workers are free for them. The function is pickled once and
    kept by every worker. Errors that it raises are those of one process; `describe`
    tells what the first and the last of the tasks are that a lost worker may have had.
    """
    if effective_n_jobs(n_jobs) == 1:
        yield from (function(*task) for task in tasks)
        return
    # Engines send an array once: joblib maps it into memory, Dask scatters it.
    cargo = np.frombuffer(cloudpickle.dumps(function), dtype=np.uint8)
    key = uuid4().hex
    sent = [-1]
    failures: list[Exception] = []

    def calls() -> Iterator[Any]:
        """Send tasks; in a thread of joblib, which an error would not leave."""
        try:
            for number, task in enumerate(tasks):
                sent[0] = number
                # Some engines hand arrays over that cannot be written to.
                yield delayed(_call)(key, cargo, cloudpickle.dumps(task))
        except Exception as error:
            failures.append(error)

    outcomes = _run(calls(), n_jobs)
    n_done = 0
    while True:
        try:
            output, failure = next(outcomes)
        except StopIteration:
            break
        except Exception as error:
            raise ChildProcessError(
                f"A worker was lost that had some of {describe(n_done, sent[0])} "
                f"({type(error).__name__}: {error})."
            ) from error
        if failure is not None:
            raise failure
        n_done += 1
        yield output
    if failures:
        raise failures[0]


def _run(calls: Iterator[Any], n_jobs: int | None) -> Iterator[Any]:
    """Yield what calls return, in order."""
    if get_active_backend()[0].supports_return_generator:
        yield from Parallel(n_jobs, return_as="generator", batch_size=1)(calls)
        return
    # Those of multiprocessing, Ray's among them, return lists.
    size = _PARTS_PER_WORKER * effective_n_jobs(n_jobs)
    with Parallel(n_jobs, batch_size=1) as parallel:
        while some := list(islice(calls, size)):
            yield from parallel(some)


# The function that came last to this process, by its key.
_arrived: dict[str, Callable[..., Any]] = {}


def _call(key: str, cargo: Any, task: bytes) -> tuple[Any, Exception | None]:
    """Call in a worker; an error is an outcome, so that others are the engine's."""
    try:
        function = _arrived.get(key)
        if function is None:
            function = pickle.loads(cargo)
            _arrived.clear()
            _arrived[key] = function
        with parallel_config("sequential"):
            return function(*pickle.loads(task)), None
    except Exception as error:
        return None, error


def _run_part(function: Any, part: Any, batches: Sequence[Positions]) -> Any:
    """Return the outputs for a part, and which of its images are unreadable."""
    return np.concatenate(list(function(part, batches))), part.unreadable
