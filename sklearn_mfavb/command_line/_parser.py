"""The words that the program understands."""

import argparse
from pathlib import Path

import sklearn_mfavb
from sklearn_mfavb.command_line._telling import PROGRAM
from sklearn_mfavb.command_line._values import count, duration, seed

METHODS = ("mfavb", "vtcc", "cc", "scan", "anchor", "cueco")


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; every command sets ``run``."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Deep image clustering without labels."
    )
    version = f"{PROGRAM} {sklearn_mfavb.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_cluster(commands)
    _add_predict(commands)
    _add_report(commands)
    _add_demo(commands)
    return parser


def _add_cluster(commands: argparse._SubParsersAction) -> None:
    """Describe `cluster`."""
    parser = _add_command(commands, "cluster", "cluster the images below a folder")
    parser.set_defaults(run=_run_cluster)
    parser.add_argument("folder", metavar="FOLDER", help="searched with its subfolders")
    parser.add_argument("--n-clusters", type=count, required=True, metavar="N")
    again = _add_results(parser)
    again.add_argument(
        "--resume",
        action="store_true",
        help="go on with the training that is kept in DIR; begin if there is none",
    )
    parser.add_argument(
        "--no-report", dest="report", action="store_false", help="write no report.html"
    )
    parser.add_argument(
        "--method", choices=METHODS, default="mfavb", help="default: %(default)s"
    )
    parser.add_argument(
        "--image-size",
        type=count,
        metavar="PIXELS",
        help="side at which images are seen (default: their own, at most 64)",
    )
    parser.add_argument(
        "--epochs",
        type=count,
        metavar="N",
        help="passes over the images (default: 40; with --clip, by their number); "
        "of scan and anchor in their main stage, the others by that",
    )
    parser.add_argument(
        "--time-budget",
        type=duration,
        metavar="TIME",
        help="end training after 90s, 20m or 1.5h, one epoch at least",
    )
    _add_seed(parser)
    _add_reading(parser)
    _add_clip(parser)


def _add_clip(parser: argparse.ArgumentParser) -> None:
    """Describe the options of the encoder."""
    clip = parser.add_argument_group("features of a pretrained encoder")
    clip.add_argument(
        "--clip",
        metavar="MODEL",
        help="a model of open_clip or timm, such as ViT-B-32 (default: none)",
    )
    clip.add_argument(
        "--clip-weights",
        metavar="TAG_OR_FILE",
        help="its weights; those of a tag are downloaded once (default: openai)",
    )
    clip.add_argument(
        "--clip-cache",
        type=Path,
        metavar="DIR",
        help="folder where features are kept (default: features in --out)",
    )


def _add_predict(commands: argparse._SubParsersAction) -> None:
    """Describe `predict`."""
    parser = _add_command(commands, "predict", "label images by a model of `cluster`")
    parser.set_defaults(run=_run_predict)
    _add_model(parser)
    _add_results(parser)
    _add_reading(parser)


def _add_report(commands: argparse._SubParsersAction) -> None:
    """Describe `report`."""
    parser = _add_command(commands, "report", "show what a model makes of images")
    parser.set_defaults(run=_run_report)
    _add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace FILE.html if it is there"
    )
    _add_seed(parser)
    _add_reading(parser)


def _add_demo(commands: argparse._SubParsersAction) -> None:
    """Describe `demo`."""
    parser = _add_command(
        commands, "demo", "cluster the digits that ship with scikit-learn"
    )
    parser.set_defaults(run=_run_demo)
    _add_seed(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("mfavb-demo"),
        metavar="DIR",
        help="folder for the picture of the clusters (default: mfavb-demo)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures as JSON"
    )


def _add_command(
    commands: argparse._SubParsersAction, name: str, purpose: str
) -> argparse.ArgumentParser:
    """Add a command; its options have one spelling, which `--resume` relies on."""
    return commands.add_parser(
        name, help=purpose, description=f"{purpose.capitalize()}.", allow_abbrev=False
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    """Describe what a model is applied to."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="model.mfavb of an earlier run"
    )
    parser.add_argument("folder", metavar="FOLDER", help="searched with its subfolders")


def _add_results(
    parser: argparse.ArgumentParser,
) -> argparse._MutuallyExclusiveGroup:
    """Describe where results go; return the group of what may happen to old ones."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results, new or empty, and not inside FOLDER",
    )
    parser.add_argument(
        "--sort",
        choices=("copy", "link"),
        help="also make a folder of copies or of links for each cluster, in DIR",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results of an earlier run in DIR",
    )
    return again


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Describe how images are read, and where the network runs."""
    parser.add_argument(
        "--on-error",
        choices=("skip", "raise"),
        default="skip",
        help="what to do about files that cannot be read (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)"
    )


def _add_seed(parser: argparse.ArgumentParser) -> None:
    """Describe the seed."""
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")


def _run_cluster(parsed: argparse.Namespace) -> None:
    """Run `cluster`; imports in these functions keep ``--help`` quick."""
    from sklearn_mfavb.command_line._cluster import run

    run(parsed)


def _run_predict(parsed: argparse.Namespace) -> None:
    """Run `predict`."""
    from sklearn_mfavb.command_line._predict import run

    run(parsed)


def _run_report(parsed: argparse.Namespace) -> None:
    """Run `report`."""
    from sklearn_mfavb.command_line._report import run

    run(parsed)


def _run_demo(parsed: argparse.Namespace) -> None:
    """Run `demo`."""
    from sklearn_mfavb.demo import run_demo

    run_demo(seed=parsed.seed, out=parsed.out, json_file=parsed.json)
