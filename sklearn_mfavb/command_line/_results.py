"""What `cluster` and `predict` leave alike."""

import argparse
import os
import shlex
import time
from typing import Any

from sklearn_mfavb.command_line._result_folder import ResultFolder
from sklearn_mfavb.command_line._sorting import sort_files
from sklearn_mfavb.command_line._telling import PROGRAM, describe_sizes, say_skipped
from sklearn_mfavb.command_line._writing import (
    count_members,
    list_reasons,
    name_files,
    write_summary,
    write_tables,
)
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.inspection import gather_findings


def write_results(
    estimator: BaseImageClusterer,
    paths: list[str],
    results: ResultFolder,
    *,
    parsed: argparse.Namespace,
    began_at: float,
    figures: dict[str, Any],
) -> None:
    """Label images, write what was found, and say it in short.

    Parameters
    ----------
    estimator : BaseImageClusterer
        Fitted.
    paths : list of str of length n_samples
        Absolute paths of the images.
    results : ResultFolder
        Where everything goes.
    parsed : argparse.Namespace
        Options: where the images are, and whether files are sorted.
    began_at : float
        Time of the monotonic clock when the program began.
    figures : dict
        What else stands in the summary.

    Raises
    ------
    ValueError
        If no image can be read.
    OSError
        If something cannot be written.
    """
    found = gather_findings(estimator, paths, with_score=True)
    names = name_files(paths, parsed.folder)
    reasons, sizes = list_reasons(names, found), count_members(found)
    write_tables(results, names, found)
    summary = {
        "command": shlex.join([PROGRAM, *parsed.words]),
        "folder": os.path.abspath(parsed.folder),
        "estimator": type(estimator).__name__,
        "settings": estimator.get_params(deep=False),
        "n_images": sum(sizes),
        "n_skipped": len(reasons),
        "sizes": sizes,
        "score": found.score,
        "seconds": time.monotonic() - began_at,
        **figures,
    }
    write_summary(results, summary)
    say_skipped(reasons)
    print(f"{describe_sizes(sizes)}; agreement of neighbours {found.score:.2f}")
    print(f"results: {results.path}")
    if parsed.sort is not None:
        folder = sort_files(
            paths,
            found.labels,
            n_clusters=len(sizes),
            out=results.path,
            how=parsed.sort,
        )
        print(f"sorted: {folder}")
