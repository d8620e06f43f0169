"""The command `predict`: new images, labelled by a model of an earlier run."""

import argparse
import os
import time

from sklearn_mfavb.command_line._input import find_images
from sklearn_mfavb.command_line._result_folder import ResultFolder
from sklearn_mfavb.command_line._results import write_results
from sklearn_mfavb.command_line._telling import say
from sklearn_mfavb.persistence import load


def run(parsed: argparse.Namespace) -> None:
    """Label the images below a folder, and write what was found.

    Parameters
    ----------
    parsed : argparse.Namespace
        Options of the command, and ``words``, the command line.
    """
    began_at = time.monotonic()
    results = ResultFolder(parsed.out)
    paths = find_images(parsed.folder, parsed.out)
    estimator = load(parsed.model, device=parsed.device)
    estimator.set_params(on_error=parsed.on_error)
    results.begin(overwrite=parsed.overwrite)
    say(f"labelling {len(paths):,} files below {parsed.folder}")
    write_results(
        estimator,
        paths,
        results,
        parsed=parsed,
        began_at=began_at,
        figures={"model": os.path.abspath(parsed.model)},
    )
