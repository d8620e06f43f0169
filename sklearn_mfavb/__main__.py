"""The command line: ``sklearn-mfavb`` and ``python -m sklearn_mfavb``."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after the program's name; None takes those of the process.

    Returns
    -------
    int
        0 for success, 1 if a file could not be written.
    """
    parsed = _make_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except OSError as error:
        print(f"sklearn-mfavb: {error}", file=sys.stderr)
        return 1
    return 0


def _make_parser() -> argparse.ArgumentParser:
    """Build the parser; every command sets ``run``."""
    parser = argparse.ArgumentParser(
        prog="sklearn-mfavb", description="Deep image clustering without labels."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="cluster the digits that ship with scikit-learn"
    )
    demo.add_argument("--seed", type=_seed, default=0, help="random seed (default: 0)")
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("mfavb-demo"),
        metavar="DIR",
        help="folder for the picture of the clusters (default: mfavb-demo)",
    )
    demo.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures as JSON"
    )
    demo.set_defaults(run=_run_demo)
    return parser


def _seed(word: str) -> int:
    """Read a seed that NumPy accepts."""
    seed = int(word)
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{word} is not between 0 and 2**32 - 1")
    return seed


def _run_demo(parsed: argparse.Namespace) -> None:
    """Run the demonstration; imports here keep ``--help`` quick."""
    from sklearn_mfavb.demo import run_demo

    run_demo(seed=parsed.seed, out=parsed.out, json_file=parsed.json)


if __name__ == "__main__":
    sys.exit(main())
