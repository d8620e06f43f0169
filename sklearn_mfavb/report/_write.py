"""One page for a browser: what a fitted estimator made of images."""

import os
import platform
from datetime import datetime
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from sklearn_mfavb.files import replace_file
from sklearn_mfavb.inspection import (
    Findings,
    cluster_color,
    gather_findings,
    read_curves,
    read_stages,
)
from sklearn_mfavb.persistence import library_versions
from sklearn_mfavb.report._facts import list_facts, list_settings
from sklearn_mfavb.report._page import describe_page, name_images


def write_report(
    estimator: Any,
    X: Any,
    out: str | os.PathLike[str],
    *,
    features: ArrayLike | None = None,
    n_typical: int = 16,
    n_doubtful: int = 8,
    max_images: int = 10_000,
    title: str | None = None,
    random_state: Any = None,
) -> Path:
    """Write what a fitted estimator finds in images as one page for a browser.

    The page needs nothing but its own file: it loads nothing from a network, and says
    so to the browser. It has the figures of the clustering, typical and doubtful
    members of every cluster, a map of the embedding with thumbnails, the training
    curves, the files that were skipped, settings and versions, and what it leaves out.

    Parameters
    ----------
    estimator : BaseImageClusterer
        A fitted estimator of this package.
    X : array-like, path, sequence or Findings
        Images, in any of the forms that the estimator accepts, or what
        :func:`sklearn_mfavb.inspection.gather_findings` has found in them.
    out : str or path-like
        The file to write, such as ``"report.html"``; a file of that name is replaced
        when the page is complete. Missing folders are made.
    features : array-like of shape (n_samples, n_features), default=None
        Features of the images, if the estimator was fitted with precomputed ones.
    n_typical, n_doubtful : int, default=16 and 8
        Likeliest and least likely members shown of every cluster.
    max_images : int, default=10000
        Most images on the page, beside typical ones and the most doubtful and strange
        of all. Larger sets are subsampled at random. Pictures are as large as 8.5 MB
        allow, from 192 pixels a side down to 32.
    title : str, default=None
        Heading of the page. None names the folder or the number of images.
    random_state : int, RandomState instance or None, default=None
        Seed of that draw and of the map's layout.

    Raises
    ------
    OSError
        If the file cannot be written; this is found out before any work is done.
    """
    check_scalar(n_typical, "n_typical", Integral, min_val=0)
    check_scalar(n_doubtful, "n_doubtful", Integral, min_val=0)
    check_scalar(max_images, "max_images", Integral, min_val=1)
    out = Path(out)
    if out.is_dir():
        raise IsADirectoryError(f"out={str(out)!r} is a folder: name a file in it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=out.parent):  # OSError where no file can be written
        pass
    found = (
        X
        if isinstance(X, Findings)
        else gather_findings(estimator, X, features=features, with_score=True)
    )
    content = describe_page(
        estimator,
        found,
        n_typical=n_typical,
        n_doubtful=n_doubtful,
        max_images=max_images,
        random_state=random_state,
    )
    folder = name_images(found.source).folder
    python = f"{platform.python_version()} on {platform.platform()}"
    text = _render(
        title=title or f"Clusters of {folder or f'{len(found.labels):,} images'}",
        estimator=type(estimator).__name__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        facts=list(list_facts(estimator, found)),
        curves=read_curves(estimator.history_),
        stages=read_stages(estimator.history_),
        n_epochs=len(estimator.history_),
        settings=list_settings(estimator),
        versions={"Python": python, **library_versions()},
        n_typical=n_typical,
        n_doubtful=n_doubtful,
        **content,
    )
    with replace_file(out) as file:
        # A reason why a file was skipped may quote bytes that are no UTF-8.
        file.write(text.encode("utf-8", "replace"))
    return out


def _render(**content: Any) -> str:
    """Fill in the template; whatever comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page", encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals["color"] = cluster_color
    environment.filters["shorten"] = _shorten
    return environment.get_template("page.html").render(content).lstrip()


def _shorten(name: str) -> str:
    """Cut a name in the middle: those of files differ at their end."""
    return name if len(name) <= 16 else f"{name[:6]}\N{HORIZONTAL ELLIPSIS}{name[-9:]}"
