"""From a fitted estimator and images to a file."""

import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from sklearn_mfavb.files import replace_file
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.inspection import (
    Findings,
    gather_findings,
    lay_out,
    rank_members,
    read_thumbnails,
)
from sklearn_mfavb.report._curves import draw_curves, mark_stages
from sklearn_mfavb.report._map import make_map
from sklearn_mfavb.report._page import Page, describe_clusters
from sklearn_mfavb.report._pictures import encode, name_images
from sklearn_mfavb.report._settings import list_settings, list_versions
from sklearn_mfavb.report._summary import list_facts, list_limits

_SIDE = 64  # pixels of a thumbnail


def write_report(
    estimator: Any,
    X: Any,
    out: str | os.PathLike[str],
    *,
    clip_features: ArrayLike | None = None,
    n_typical: int = 16,
    n_doubtful: int = 8,
    max_images: int = 5000,
    title: str | None = None,
    random_state: Any = None,
) -> Path:
    """Write what a fitted estimator made of images as one page for a browser.

    The page needs nothing but its own file: it loads nothing from a network, and says
    so to the browser. It has the figures of the clustering, typical and doubtful
    members of every cluster, a map of the embedding with thumbnails, the training
    curves, the files that were skipped, settings and versions, and what it leaves out.

    Parameters
    ----------
    estimator : BaseImageClusterer
        A fitted estimator of this package.
    X : array-like, path or sequence
        Images, in any of the forms that the estimator accepts: those that it was fitted
        to, or others. They are read and embedded once.
    out : str or path-like
        The file to write, such as ``"report.html"``; a file of that name is replaced
        when the page is complete. Missing folders are made.
    clip_features : array-like of shape (n_samples, feature_dim), default=None
        Features of the images, for ``clip="precomputed"`` only.
    n_typical : int, default=16
        Likeliest members shown of every cluster.
    n_doubtful : int, default=8
        Least likely members shown of every cluster.
    max_images : int, default=5000
        Most images on the map; of more, so many are drawn at random. The file takes
        about 1.3 kB for each image that is shown.
    title : str, default=None
        Heading of the page. None names the folder or the number of images.
    random_state : int, RandomState instance or None, default=None
        Seed of that draw and of the map's layout.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If `estimator` is not one of this package.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If no image can be read, or a number makes no sense.
    OSError
        If the file cannot be written; this is found out before any work is done.

    See Also
    --------
    sklearn_mfavb.inspection : The same figures one by one, drawn by matplotlib.

    Notes
    -----
    Most of the time goes into the map: see :func:`sklearn_mfavb.inspection.lay_out`.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_mfavb import MFAVBClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> from sklearn_mfavb.report import write_report
    >>> images, _ = make_shape_images(40, n_clusters=2, image_size=8, random_state=0)
    >>> clusterer = MFAVBClustering(
    ...     2, embed_dim=16, n_heads=2, max_epochs=1, random_state=0
    ... ).fit(images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(clusterer, images, f"{folder}/report.html")
    ...     page.read_text("utf-8")[:15]
    '<!DOCTYPE html>'
    """
    check_scalar(n_typical, "n_typical", Integral, min_val=0)
    check_scalar(n_doubtful, "n_doubtful", Integral, min_val=0)
    check_scalar(max_images, "max_images", Integral, min_val=1)
    out = Path(out)
    _check_place(out)
    found = gather_findings(estimator, X, clip_features=clip_features, with_score=True)
    page = _compose(
        estimator,
        found,
        n_typical=n_typical,
        n_doubtful=n_doubtful,
        max_images=max_images,
        title=title,
        random_state=random_state,
    )
    with replace_file(out) as file:
        # A reason why a file was skipped may quote bytes that are no UTF-8.
        file.write(_render(page).encode("utf-8", "replace"))
    return out


def _compose(
    estimator: Any,
    found: Findings,
    *,
    n_typical: int,
    n_doubtful: int,
    max_images: int,
    title: str | None,
    random_state: Any,
) -> Page:
    """Gather all that stands on the page."""
    members = rank_members(
        found.probabilities,
        found.embedding,
        n_typical=n_typical,
        n_doubtful=n_doubtful,
    )
    rows, coordinates = lay_out(
        found.embedding, max_points=max_images, random_state=random_state
    )
    in_gallery = {row for each in members for row in (*each.typical, *each.doubtful)}
    pictures = _read_pictures(found.source, in_gallery.union(rows))
    names, folder = name_images(found.source)
    return Page(
        title=title or f"Clusters of {folder or f'{len(names):,} images'}",
        estimator=type(estimator).__name__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        facts=list_facts(estimator, found),
        clusters=describe_clusters(members, found, names=names, pictures=pictures),
        map=make_map(
            found,
            rows,
            coordinates,
            names=names,
            pictures=pictures,
            elsewhere=in_gallery,
        ),
        curves=draw_curves(estimator.history_),
        stages=mark_stages(estimator.history_),
        n_epochs=len(estimator.history_),
        skipped=[
            (names[row], reason)
            for row, reason in sorted(found.source.unreadable.items())
        ],
        settings=list_settings(estimator),
        versions=list_versions(),
        limits=list_limits(
            estimator,
            found,
            n_mapped=len(rows),
            n_typical=n_typical,
            n_doubtful=n_doubtful,
            side=_SIDE,
        ),
        is_enlarged=max(found.source.image_size) <= _SIDE // 2,
    )


def _read_pictures(source: ImageSource, rows: Iterable[int]) -> dict[int, str]:
    """Read each image that is shown once, in base64."""
    thumbnails = read_thumbnails(source, rows, side=_SIDE)
    return {row: encode(thumbnail) for row, thumbnail in thumbnails.items()}


def _render(page: Page) -> str:
    """Fill in the template; whatever comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["asdict"] = asdict
    return environment.get_template("page.html").render(page=page).lstrip()


def _check_place(out: Path) -> None:
    """Raise OSError where no file can be written, before any work is done."""
    if out.is_dir():
        raise IsADirectoryError(f"out={str(out)!r} is a folder: name a file in it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=out.parent):
        pass
