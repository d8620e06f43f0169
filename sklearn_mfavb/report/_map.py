"""The map of the embedding as data for the page's script."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_mfavb.inspection import Findings


@dataclass(frozen=True)
class MapData:
    """Points of the map: of each, one entry in every list.

    Parameters
    ----------
    rows : list of int
        Which images.
    x, y : list of float
        Where they are, from 0 to 1; y grows downwards.
    clusters : list of int
        Their clusters.
    percents : list of float
        How likely those are.
    names : list of str
        What the images are called.
    pictures : list of str or None
        Their thumbnails in base64; None for those that stand elsewhere on the page.
    """

    rows: list[int]
    x: list[float]
    y: list[float]
    clusters: list[int]
    percents: list[float]
    names: list[str]
    pictures: list[str | None]


def make_map(
    found: Findings,
    rows: NDArray[np.int64],
    coordinates: NDArray[np.floating],
    *,
    names: Sequence[str],
    pictures: Mapping[int, str],
    elsewhere: Collection[int],
) -> MapData:
    """Gather what is shown of the images on the map.

    Parameters
    ----------
    found : Findings
        What the estimator says of all images.
    rows : ndarray of int64 of shape (n_points,)
        The images on the map.
    coordinates : ndarray of shape (n_points, 2)
        Where they are.
    names : sequence of str
        What each image is called.
    pictures : mapping of int to str
        Thumbnails in base64.
    elsewhere : collection of int
        Images whose thumbnails stand elsewhere on the page.

    Returns
    -------
    MapData
    """
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    extent = float((high - low).max()) or 1.0
    centred = (coordinates - (low + high) / 2) / extent
    x, y = (centred + 0.5).astype(float).round(4).T
    percents = 100 * found.probabilities[rows].max(axis=1).astype(float)
    return MapData(
        rows=rows.tolist(),
        x=x.tolist(),
        y=y.tolist(),
        clusters=found.labels[rows].tolist(),
        percents=percents.round(1).tolist(),
        names=[names[row] for row in rows],
        pictures=[None if row in elsewhere else pictures[row] for row in rows.tolist()],
    )
