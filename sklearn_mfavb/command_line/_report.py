"""The command `report`: one page that shows what a model makes of images."""

import argparse
import os

from sklearn_mfavb.command_line._telling import say
from sklearn_mfavb.images import list_images
from sklearn_mfavb.persistence import load
from sklearn_mfavb.report import write_report


def run(parsed: argparse.Namespace) -> None:
    """Write the page.

    Parameters
    ----------
    parsed : argparse.Namespace
        Options of the command.

    Raises
    ------
    ValueError
        If a file of that name is there, and it may not be replaced.
    """
    if os.path.lexists(parsed.out) and not parsed.overwrite:
        raise ValueError(
            f"--out {parsed.out} is there already. Name another file, or add "
            "--overwrite to replace it."
        )
    paths = list_images(parsed.folder)
    estimator = load(parsed.model, device=parsed.device)
    estimator.set_params(on_error=parsed.on_error)
    say(f"looking at {len(paths):,} files below {parsed.folder}")
    write_report(estimator, paths, parsed.out, random_state=parsed.seed)
    print(f"report: {parsed.out}")
