"""What the template of the page reads."""

import base64
import inspect
import io
import os
import platform
from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.inspection import (
    ClusterMembers,
    Findings,
    label_points,
    read_thumbnails,
)
from sklearn_mfavb.persistence import library_versions

_LONGEST = 200  # characters of a value

_SIDE = 64  # pixels of a thumbnail
# Of 64 pixels a side: 645 bytes on average for aerial photographs, where JPEG of about
# the same look takes 1,260, half of them tables.
_QUALITY = 75
_EFFORT = 2  # of 0 to 6: 4 saves 5 % more in 1.4 times the time


def describe_images(
    found: Findings,
    members: Sequence[ClusterMembers],
    rows: NDArray[np.int64],
    coordinates: NDArray[np.floating],
    *,
    names: Sequence[str],
) -> dict[str, Any]:
    """Gather what the page shows of clusters and images; `rows` are on the map."""
    in_gallery = {row for each in members for row in each.shown}
    thumbnails = read_thumbnails(found.source, in_gallery.union(rows), side=_SIDE)
    pictures = {row: _encode(thumbnail) for row, thumbnail in thumbnails.items()}
    # The map takes the pictures of members from the gallery.
    pictures_of_map = [
        None if row in in_gallery else pictures[row] for row in rows.tolist()
    ]
    percents = 100 * found.probabilities[rows].max(axis=1).astype(float)
    return {
        "clusters": members,
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
    """Write a small picture as WebP, in base64."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def name_images(source: ImageSource) -> tuple[list[str], str | None]:
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


def list_facts(estimator: Any, found: Findings) -> dict[str, str]:
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
        "skipped": f"{len(found.labels) - len(labels):,}",
        "non-empty clusters": f"{np.count_nonzero(sizes):,} of {len(sizes):,}",
        "cluster sizes": f"{sizes.min():,} to {sizes.max():,}",
        "mean probability": f"{100 * surest.mean():.1f} %",
        "training": f"{epochs}, {timedelta(seconds=round(seconds))}",
        "size in pixels": f"{width} x {height}{median}{seen}",
    }
    if found.score is not None:
        facts["agreement of neighbors"] = f"{found.score:.2f} (0 chance, 1 best)"
    return facts


def list_settings(estimator: Any) -> list[tuple[str, str, bool]]:
    """List name, value and whether it is the default; those that were changed first."""
    signature = inspect.signature(type(estimator)).parameters
    settings = []
    for name, value in estimator.get_params(deep=False).items():
        text = repr(value)
        short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
        settings.append((name, short, text == repr(signature[name].default)))
    return sorted(settings, key=itemgetter(2))


def list_versions() -> dict[str, str]:
    """List the versions of the software that runs here and now."""
    python = f"{platform.python_version()} on {platform.platform()}"
    return {"Python": python, **library_versions()}
