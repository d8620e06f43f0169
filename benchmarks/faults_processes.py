"""Work in processes of its own, which may be killed; importing this is light."""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from recording import read_peak

__all__ = ["Ended", "call", "kill_after", "run_command"]

# Children are forked from a server that has imported these: they start in 0.1 s.
PRELOADED = [
    "sklearn_mfavb.command_line._cluster",
    "sklearn_mfavb.persistence",
    "sklearn_mfavb.report",
    "sklearn.mixture",
    "open_clip",
    "timm",
]


class Ended(NamedTuple):
    """How a call ended that was not killed."""

    value: Any = None
    error: str = ""  # type and message
    raised_in: str = ""  # file that raised it
    seconds: float = 0.0
    rise_mib: float = 0.0  # of the peak of memory


class Printed(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    text: str


def call(function: Callable[..., Any], *arguments: Any) -> Ended:
    """Call a function in a new process."""
    child, receiver = _start(function, arguments)
    ended: Ended = receiver.recv()
    child.join()
    return ended


def kill_after(
    seconds: float, function: Callable[..., Any], *arguments: Any
) -> Ended | None:
    """Call a function in a new process, and SIGKILL it; None if it was killed."""
    child, receiver = _start(function, arguments)
    if receiver.poll(seconds):
        ended: Ended = receiver.recv()
        child.join()
        return ended
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return None


def run_command(words: list[str]) -> Printed:
    """Run the program, for `call`."""
    import contextlib
    import io

    from sklearn_mfavb.command_line import main

    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(text):
        code = main(words)
    return Printed(code, text.getvalue())


def _start(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[BaseProcess, Connection]:
    """Start a process, and wait until it begins with its work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(sender, function, arguments))
    child.start()
    sender.close()
    receiver.recv()
    return child, receiver


def _work(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Work in the child, and send how it ended."""
    import warnings

    warnings.simplefilter("ignore")
    before = read_peak()
    sender.send("begun")
    began_at = time.perf_counter()
    value, error, raised_in = None, "", ""
    try:
        value = function(*arguments)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
        raised_in = traceback.extract_tb(raised.__traceback__)[-1].filename
    seconds = time.perf_counter() - began_at
    sender.send(Ended(value, error, raised_in, seconds, read_peak() - before))
