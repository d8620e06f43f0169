"""From the words of a command line to an exit code."""

import io
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn_mfavb.command_line._parser import make_parser
from sklearn_mfavb.command_line._telling import say

_DONE, _FAILED, _WRONG_USE, _INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after the program's name; None takes those of the process.

    Returns
    -------
    int
        0 for success. 1 for a file that cannot be read or written, or another failure.
        2 for wrong use, such as settings that make no sense for the images. 130 for
        Ctrl-C.

    Raises
    ------
    SystemExit
        For ``--help``, and with code 2 for words that are not understood.

    Examples
    --------
    >>> from sklearn_mfavb.command_line import main
    >>> main(["demo", "--out", "digits"])  # doctest: +SKIP
    0
    """
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be any bytes
            stream.reconfigure(errors="backslashreplace")
    parsed = make_parser().parse_args(words)
    parsed.words = words
    try:
        with _plain_warnings():
            parsed.run(parsed)
    except KeyboardInterrupt as error:
        return _tell(error, "ended by Ctrl-C", _INTERRUPTED)
    except (OSError, FloatingPointError) as error:
        return _tell(error, _describe(error), _FAILED)
    except ValueError as error:
        return _tell(error, str(error), _WRONG_USE)
    except Exception:  # a bug: what is needed to find it
        traceback.print_exc()
        return _FAILED
    return _DONE


def _tell(error: BaseException, text: str, code: int) -> int:
    """Say why the program ends, with what was noted on the way."""
    say("\n".join([text, *getattr(error, "__notes__", [])]))
    return code


def _describe(error: Exception) -> str:
    """Describe an error of the system without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings as what they say, without the line of code that they come from."""

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        say(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
