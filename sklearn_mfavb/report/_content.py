"""Clusters, their members and the map, as the template of the page reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.inspection import (
    ClusterMembers,
    Findings,
    label_points,
    read_thumbnails,
)
from sklearn_mfavb.report._pictures import encode

_SIDE = 64  # pixels of a thumbnail


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
    pictures = {row: encode(thumbnail) for row, thumbnail in thumbnails.items()}
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
