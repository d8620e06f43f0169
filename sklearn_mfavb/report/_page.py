"""What the page shows of clusters and images, as plain values for the template."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import check_random_state

from sklearn_mfavb.decisions import FORMAT, VERSION, model_fingerprint
from sklearn_mfavb.files import numbered
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.inspection import (
    Findings,
    cluster_color,
    label_points,
    project_embedding,
    rank_members,
    read_thumbnails,
)
from sklearn_mfavb.naming import cluster_names
from sklearn_mfavb.neighbors import nearest_neighbors
from sklearn_mfavb.report._checks import list_checks, rank_doubtful, rank_strange
from sklearn_mfavb.report._pictures import choose_side, encode

_SMALL = 32  # pixels a side: of smaller images the page shows the pixels
_N_ALIKE = 6  # images under "like this"
_N_NEW_COLORS = 12  # of clusters that people make
_PLACES = 10_000  # on the map, along each axis
# Together with some 100 bytes of text for each of 10,000 images under 10 MB.
_BYTES_OF_LARGE, _BYTES_OF_SMALL = 2_000_000, 6_500_000
_QUALITY_OF_LARGE, _QUALITY_OF_SMALL = 75, 60


class Names(NamedTuple):
    """Names of images: paths below a folder if they are files, else their numbers."""

    images: list[str]
    folder: str | None


def describe_page(
    estimator: Any,
    found: Findings,
    *,
    n_typical: int,
    n_doubtful: int,
    max_images: int,
    random_state: Any,
) -> dict[str, Any]:
    """Choose the images of the page, and gather what it shows."""
    random = check_random_state(random_state)
    members = rank_members(
        found.probabilities_of_members,
        found.embedding,
        n_typical=n_typical,
        n_doubtful=n_doubtful,
    )
    in_gallery = {row for each in members for row in each.shown}
    doubtful, strange = rank_doubtful(found), rank_strange(estimator, found)
    large = in_gallery.union(doubtful.tolist(), strange.tolist())
    is_read = np.isfinite(found.embedding).all(axis=1)
    rows = _draw_rows(np.flatnonzero(is_read), large, max_images, random)
    positions = {row: position for position, row in enumerate(rows.tolist())}
    thumbnails, pictures, side = _draw_pictures(found.source, rows, large)
    paths, features = found.source.paths, None
    if found.inputs.features is not None:
        taken = np.searchsorted(found.inputs.indices, rows)
        features = found.inputs.features[taken].numpy()
    checks = list_checks(
        [positions[row] for row in doubtful.tolist()],
        [positions[row] for row in strange.tolist()],
        thumbnails,
        paths=None if paths is None else [paths[row] for row in rows],
        features=features,
    )
    names, clusters = name_images(found.source), _distinct(cluster_names(estimator))
    data = {
        **_describe_images(found, rows, names),
        **_place(found, rows, random),
        "pictures": [
            None if row in in_gallery else pictures[row] for row in rows.tolist()
        ],
        "alike": _find_alike(found.embedding[rows]),
        "typical": [
            [positions[row] for row in each.typical.tolist()] for each in members
        ],
        "checks": [check.groups for check in checks],
        "clusterNames": clusters,
        "sizes": [each.n_images for each in members],
        "colors": [cluster_color(i) for i in range(len(clusters) + _N_NEW_COLORS)],
        "document": {
            "format": FORMAT,
            "version": VERSION,
            "model": model_fingerprint(estimator),
            "folder": names.folder and os.path.abspath(names.folder),
        },
    }
    return {
        "data": data,
        # Decisions are kept under this name: those about other clusters are others.
        "digest": _digest([*names.images, *map(str, found.labels.tolist())]),
        "checks": checks,
        "clusters": members,
        "cluster_names": clusters,
        "likeliest": {row: _likeliest(found.probabilities[row]) for row in in_gallery},
        "names": names.images,
        "positions": positions,
        "pictures": pictures,
        "n_read": np.count_nonzero(is_read),
        "n_outliers": np.count_nonzero(found.is_outlier),
        "n_labeled": np.count_nonzero(found.labels >= 0),
        "skipped": sorted(found.source.unreadable.items()),
        "space": "pixels" if features is None else "features",
        "side": side,
        "is_enlarged": max(found.source.image_size) <= _SMALL,
    }


def _draw_rows(
    rows: NDArray[np.int64],
    large: set[int],
    max_images: int,
    random: np.random.RandomState,
) -> NDArray[np.int64]:
    """Choose the images of the page, in order; `large` ones come in any case."""
    if len(rows) > max_images:
        rows = random.choice(rows, max_images, replace=False)
    return np.union1d(rows, np.array(sorted(large), dtype=np.int64))


def name_images(source: ImageSource) -> Names:
    """Name every image, and the folder that all files share.

    Names are those that tables of results have, so that decisions fit these.
    """
    if source.paths is None:
        return Names([f"image {index}" for index in range(len(source))], None)
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in source.paths])
    except ValueError:  # relative beside absolute paths, or several drives
        folder = ""
    below = [os.path.relpath(path, folder or os.curdir) for path in source.paths]
    images = [_readable(Path(path).as_posix()) for path in below]
    return Names(images, _readable(folder or os.curdir))


def _readable(path: str) -> str:
    """Write bytes of a path that are no UTF-8 as tables do."""
    return path.encode("utf-8", "backslashreplace").decode()


def _digest(names: Sequence[str]) -> str:
    """Return what tells these images from others."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _distinct(names: Sequence[str]) -> list[str]:
    """Add numbers to names that occur again: one name is one cluster."""
    taken: list[str] = []
    for name in names:
        free = (each for each in numbered(name) if each not in taken)
        taken.append(next(free))
    return taken


def _draw_pictures(
    source: ImageSource, rows: NDArray[np.int64], large: set[int]
) -> tuple[list[Image.Image], dict[int, str], int]:
    """Return thumbnails of one size, the pictures of the page, and their largest side.

    The page shows some `rows` larger than the others, which are many.
    """
    others, quality = set(rows.tolist()) - large, _QUALITY_OF_SMALL
    side = choose_side(source, others, n_bytes=_BYTES_OF_SMALL, quality=quality)
    thumbnails = read_thumbnails(source, rows, side=side)
    pictures = {row: encode(thumbnails[row], quality=quality) for row in others}
    quality = _QUALITY_OF_LARGE
    side = choose_side(source, large, n_bytes=_BYTES_OF_LARGE, quality=quality)
    for row, picture in read_thumbnails(source, large, side=side).items():
        pictures[row] = encode(picture, quality=quality)
    return [thumbnails[row] for row in rows.tolist()], pictures, side


def _describe_images(
    found: Findings, rows: NDArray[np.int64], names: Names
) -> dict[str, Any]:
    """List what the page says of its images, one list for each kind of thing."""
    best = [_likeliest(found.probabilities[row]) for row in rows]
    second = [each[1] for each in best if len(each) > 1]
    described = {
        "rows": rows.tolist(),
        "names": [names.images[row] for row in rows],
        "clusters": found.labels[rows].tolist(),
        "percents": [round(each[0][1], 1) for each in best],
        "nearest": [each[0][0] for each in best],
        "others": [cluster for cluster, _ in second],
        "otherPercents": [round(percent, 1) for _, percent in second],
    }
    if (paths := found.source.paths) is not None:
        described["address"] = Path(os.path.abspath(names.folder or ".")).as_uri()
        described["addresses"] = {  # of files whose name in UTF-8 is another
            position: Path(os.path.abspath(paths[row])).as_uri()
            for position, row in enumerate(rows.tolist())
            if "\\" in names.images[row]
        }
    return described


def _likeliest(probabilities: NDArray[np.float32]) -> list[tuple[int, float]]:
    """List the two likeliest clusters of an image, if there are two, in percent."""
    order = np.argsort(-probabilities, kind="stable")[:2]
    percents = 100 * probabilities[order].astype(float)
    return list(zip(order.tolist(), percents.tolist(), strict=True))


def _place(
    found: Findings, rows: NDArray[np.int64], random: np.random.RandomState
) -> dict[str, list[int]]:
    """Map images to a square, without distortion, and choose where labels stand."""
    _, coordinates = project_embedding(
        found.embedding[rows], max_points=len(rows), random_state=random
    )
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    extent = float((high - low).max()) or 1.0
    x, y = (coordinates - (low + high) / 2).astype(float).T / extent + 0.5
    return {
        "x": (_PLACES * x).round().astype(int).tolist(),
        "y": (_PLACES * y).round().astype(int).tolist(),
        "labels": [  # none of outliers, which are anywhere
            point
            for point in label_points(coordinates, found.labels[rows])
            if found.labels[rows[point]] >= 0
        ],
    }


def _find_alike(rows: NDArray[np.float32]) -> list[list[int]]:
    """Find the images most like each image, by the angle between rows."""
    if len(rows) < 2:
        return [[] for _ in rows]
    return nearest_neighbors(rows, _N_ALIKE, metric="cosine").tolist()
