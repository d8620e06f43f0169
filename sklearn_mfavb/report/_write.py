"""One page for a browser: what a fitted estimator made of images."""

import base64
import inspect
import io
import os
import platform
from collections.abc import Sequence
from datetime import datetime, timedelta
from numbers import Integral
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sklearn.utils import check_scalar

from sklearn_mfavb.files import replace_file
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.inspection import (
    ClusterMembers,
    Findings,
    cluster_color,
    gather_findings,
    label_points,
    project_embedding,
    rank_members,
    read_curves,
    read_stages,
    read_thumbnails,
)
from sklearn_mfavb.persistence import library_versions

_SIDE = 64  # pixels of a thumbnail
_MOST_OUTLIERS = 64  # pictures of outliers


def write_report(
    estimator: Any,
    X: Any,
    out: str | os.PathLike[str],
    *,
    features: ArrayLike | None = None,
    n_typical: int = 16,
    n_doubtful: int = 8,
    max_images: int = 5000,
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
    max_images : int, default=5000
        Most images on the map, drawn at random; each takes about 1.3 kB.
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
    names, folder = _name_images(found.source)
    members = rank_members(
        found.probabilities_of_members,
        found.embedding,
        n_typical=n_typical,
        n_doubtful=n_doubtful,
    )
    on_map = project_embedding(
        found.embedding, max_points=max_images, random_state=random_state
    )
    python = f"{platform.python_version()} on {platform.platform()}"
    text = _render(
        title=title or f"Clusters of {folder or f'{len(names):,} images'}",
        estimator=type(estimator).__name__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        facts=_list_facts(estimator, found),
        curves=read_curves(estimator.history_),
        stages=read_stages(estimator.history_),
        n_epochs=len(estimator.history_),
        settings=_list_settings(estimator),
        versions={"Python": python, **library_versions()},
        n_typical=n_typical,
        n_doubtful=n_doubtful,
        **_describe_images(found, members, *on_map, names=names),
    )
    with replace_file(out) as file:
        # A reason why a file was skipped may quote bytes that are no UTF-8.
        file.write(text.encode("utf-8", "replace"))
    return out


def _render(**content: Any) -> str:
    """Fill in the template; whatever comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals["color"] = cluster_color
    return environment.get_template("page.html").render(content).lstrip()


def _describe_images(
    found: Findings,
    members: Sequence[ClusterMembers],
    rows: NDArray[np.int64],
    coordinates: NDArray[np.floating],
    *,
    names: Sequence[str],
) -> dict[str, Any]:
    """Gather what the page shows of clusters and images; `rows` are on the map."""
    outliers = np.flatnonzero(found.is_outlier)[:_MOST_OUTLIERS].tolist()
    in_gallery = {row for each in members for row in each.shown}.union(outliers)
    thumbnails = read_thumbnails(found.source, in_gallery.union(rows), side=_SIDE)
    pictures = {row: _encode(thumbnail) for row, thumbnail in thumbnails.items()}
    # The map takes the pictures of members from the gallery.
    pictures_of_map = [
        None if row in in_gallery else pictures[row] for row in rows.tolist()
    ]
    percents = 100 * found.probabilities[rows].max(axis=1).astype(float)
    return {
        "clusters": members,
        "outliers": outliers,
        "n_outliers": np.count_nonzero(found.is_outlier),
        "likeliest": {row: _likeliest(found.probabilities[row]) for row in in_gallery},
        "names": names,
        "pictures": pictures,
        "map": {
            "rows": rows.tolist(),
            **_place(coordinates),
            "labels": label_points(coordinates, found.labels[rows]),
            "clusters": found.labels[rows].tolist(),
            "percents": percents.round(1).tolist(),
            "names": [names[row] for row in rows],
            "pictures": pictures_of_map,
        },
        "n_labeled": np.count_nonzero(found.labels >= 0),
        "skipped": sorted(found.source.unreadable.items()),
        "space": "pixels" if found.inputs.features is None else "features",
        "side": _SIDE,
        "is_enlarged": max(found.source.image_size) <= _SIDE // 2,
    }


def _likeliest(probabilities: NDArray[np.float32]) -> list[tuple[int, float]]:
    """List the two likeliest clusters of an image, if there are two, in percent."""
    order = np.argsort(-probabilities, kind="stable")[:2]
    percents = 100 * probabilities[order].astype(float)
    return list(zip(order.tolist(), percents.tolist(), strict=True))


def _place(coordinates: NDArray[np.floating]) -> dict[str, list[float]]:
    """Bring points to a square from 0 to 1, without distortion."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    extent = float((high - low).max()) or 1.0
    x, y = (coordinates - (low + high) / 2).astype(float).T / extent + 0.5
    return {"x": x.round(4).tolist(), "y": y.round(4).tolist()}


def _encode(picture: Image.Image) -> str:
    """Write a small picture as WebP, in base64.

    Of 64 pixels a side: 645 bytes on average for aerial photographs, where JPEG of
    about the same look takes 1,260, half of them tables. A `method` of 4 saves 5 % more
    in 1.4 times the time.
    """
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=75, method=2)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _name_images(source: ImageSource) -> tuple[list[str], str | None]:
    """Name every image, and the folder that all files share."""
    if source.paths is None:
        return [f"image {index}" for index in range(len(source))], None
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in source.paths])
    except ValueError:  # relative beside absolute paths, or several drives
        folder = ""
    below = [path[len(folder) :].lstrip(os.sep) for path in source.paths]
    return [_readable(path) for path in below], _readable(folder or os.curdir)


def _readable(path: str) -> str:
    """Replace what the file system allows and UTF-8 does not."""
    return os.fsencode(path).decode("utf-8", "replace")


def _list_facts(estimator: Any, found: Findings) -> dict[str, str]:
    """List the figures at the top of the page."""
    labels = found.labels[found.labels >= 0]
    sizes = np.bincount(labels, minlength=found.probabilities.shape[1])
    surest = found.probabilities[found.labels >= 0].max(axis=1)
    n_epochs, planned = estimator.n_iter_, estimator.max_epochs_
    stopped = f"stopped after {n_epochs} of {planned} epochs"
    epochs = stopped if n_epochs < planned else f"{n_epochs} epochs"
    seconds = sum(row["seconds"] for row in estimator.history_)
    height, width = found.source.image_size
    median = "" if found.source.has_one_size else " (median)"
    seen = ", used features only"
    if estimator.image_size_ is not None:
        seen = ", seen at {1} x {0}".format(*estimator.image_size_)
    facts = {
        "images": f"{len(labels):,}",
        "outliers": f"{np.count_nonzero(found.is_outlier):,}",
        "skipped": f"{len(found.source.unreadable):,}",
        "non-empty clusters": f"{np.count_nonzero(sizes):,} of {len(sizes):,}",
        "cluster sizes": f"{sizes.min():,} to {sizes.max():,}",
        "mean probability": f"{100 * surest.mean():.1f} %" if len(surest) else "none",
        "training": f"{epochs}, {timedelta(seconds=round(seconds))}",
        "size in pixels": f"{width} x {height}{median}{seen}",
    }
    if (scores := estimator.n_clusters_scores_) is not None:
        numbers, columns = list(scores), zip(*scores.values(), strict=True)
        best = sorted(numbers[int(np.argmax(column))] for column in columns)
        told = ", ".join(map(str, best))
        facts["number of clusters"] = f"{estimator.n_clusters_}, the median of {told}"
    if found.score is not None:
        facts["agreement of neighbors"] = f"{found.score:.2f} (0 chance, 1 best)"
    return facts


def _list_settings(estimator: Any) -> list[tuple[str, str, bool]]:
    """List name, value and whether it is the default; those that were changed first."""
    signature = inspect.signature(type(estimator)).parameters
    settings = []
    for name, value in estimator.get_params(deep=False).items():
        text = repr(value)
        short = text if len(text) <= 200 else f"{text[:200]} ..."
        settings.append((name, short, text == repr(signature[name].default)))
    return sorted(settings, key=itemgetter(2))
