"""The program ``sklearn-mfavb``: its commands, their errors and exit codes.

Nothing imports torch before a command has checked what it was given, so that ``--help``
and refusals come at once.
"""

import re
import sys
import traceback
import warnings
from pathlib import Path

import click

import sklearn_mfavb
from sklearn_mfavb.command_line._cluster import cluster
from sklearn_mfavb.command_line._options import PATH, PROGRAM, say, seed
from sklearn_mfavb.command_line._predict import predict, report
from sklearn_mfavb.command_line._sorting import undo
from sklearn_mfavb.command_line._suggest import suggest

__all__ = ["main"]

# Parameters that errors may name, and the options that set them.
_OPTION_OF = {
    **{p.name: p.opts[-1] for p in cluster.params if isinstance(p, click.Option)},
    "checkpoint": "--resume",
    "model": "--encoder",
    "pretrained": "--encoder-weights",
    "random_state": "--seed",
}


@click.group(
    commands=[cluster, suggest, predict, report, undo],
    no_args_is_help=False,
    context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
    epilog="Example: sklearn-mfavb cluster photos -k 12 -o clusters",
)
@click.version_option(sklearn_mfavb.__version__, message="%(prog)s %(version)s")
def program() -> None:
    """Cluster images without labels."""


@program.command(epilog="Example: sklearn-mfavb demo --seed 1 -o digits")
@seed
@click.option("-o", "--out", type=PATH, default="mfavb-demo", help="For a picture.")
@click.option("--json", type=PATH, help="Also write the scores to a file, as JSON.")
def demo(seed: int, out: Path, json: Path | None) -> None:
    """Cluster the digits that ship with scikit-learn."""
    from sklearn_mfavb.demo import run_demo

    run_demo(seed=seed, out=out, json_file=json)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after the program's name; None takes those of the process.

    Returns
    -------
    int
        0 for success, 1 for a file that cannot be read or written or another failure, 2
        for wrong use (an unknown option, more clusters than images), 130 for Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            # Without the line of code that a warning comes from.
            warnings.showwarning = lambda message, *where, **more: say(str(message))
            code = program.main(arguments, PROGRAM, standalone_mode=False, obj=words)
    except click.Abort as error:  # click's word for KeyboardInterrupt
        return _end(error.__cause__, "ended by Ctrl-C", 130)
    except click.ClickException as error:
        return _end(error, _explain(error), error.exit_code)
    except OSError as error:
        has_place = error.strerror and error.filename is not None
        text = f"{error.filename}: {error.strerror}" if has_place else str(error)
        return _end(error, text, 1)
    except (FloatingPointError, ValueError) as error:
        return _end(error, str(error), 2 if isinstance(error, ValueError) else 1)
    except Exception:  # a bug: what is needed to find it
        traceback.print_exc()
        return 1
    return code or 0


def _end(error: BaseException | None, text: str, code: int) -> int:
    """Print why the program ends, with what was noted on the way.

    Parameters of Python are replaced by the options that set them, but in no path.
    """
    name = rf"(?<![\w/\\])(?:\w+__)?({'|'.join(_OPTION_OF)})"
    parameter = rf"{name}(?:=| (?=was [^;]+, now\b))"
    text = re.sub(parameter, lambda found: f"{_OPTION_OF[found[1]]} ", text)
    say("\n".join([text, *getattr(error, "__notes__", [])]))
    return code


def _explain(error: click.ClickException) -> str:
    """Describe wrong use, with help on what is missing and an example."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    if isinstance(error, click.MissingParameter):
        text += f" {getattr(error.param, 'help', None) or ''}"
    if context is None:
        return text
    return f"{text}\n{context.command.epilog}\nHelp: {context.command_path} --help"
