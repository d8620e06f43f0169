"""Copies among images: exact ones, and those that were resized, saved or mirrored."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import imagehash
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.preprocessing import normalize

from sklearn_mfavb.neighbors import nearest_neighbors

# Measured on RSSCN7, see benchmarks/near_duplicates.py. The hash has 64 bits.
_NEAR = 8
_NEAR_BY_FEATURES = 12
_CORRELATION = 0.97
_SIDE = 16  # pixels that are correlated
_BLOCK_ROWS = 1024


def find_near_duplicates(
    pictures: Sequence[Image.Image], features: ArrayLike | None = None
) -> list[list[int]]:
    """Find groups of pictures that are the same one, resized, saved anew or mirrored.

    Two pictures are near-duplicates if their perceptual hashes (`imagehash.phash`, 64
    bits) differ in at most 8 bits and their gray values, averaged down to 16 x 16,
    correlate by at least 0.97; or, given `features`, if the hashes differ in at most 12
    bits and each is the nearest of the other by the angle between features. Either
    picture may be mirrored.

    Parameters
    ----------
    pictures : sequence of PIL.Image.Image
        Thumbnails are enough: both measures look at 32 x 32 pixels at most.
    features : array-like of shape (n_pictures, n_features), default=None
        Features of an encoder, finite. They find copies that pixels alone do not.

    Returns
    -------
    list of list of int
        Groups of two or more pictures, which are chains of near-duplicates.

    Notes
    -----
    Every pair is compared: 10,000 pictures take some ten seconds. Simple pictures such
    as digits may be as alike as copies are.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image, ImageOps
    >>> from sklearn_mfavb.inspection import find_near_duplicates
    >>> noise = np.random.default_rng(0).integers(256, size=(3, 8, 8), dtype=np.uint8)
    >>> first, second, third = (Image.fromarray(x).resize((64, 64)) for x in noise)
    >>> find_near_duplicates([first, second, ImageOps.mirror(first), third])
    [[0, 2]]
    """
    if len(pictures) < 2:
        return []
    mirrored = [ImageOps.mirror(picture) for picture in pictures]
    hashes, tiles = _hash(pictures), _reduce(pictures)
    pairs = list(_alike((hashes, _hash(mirrored)), (tiles, _reduce(mirrored))))
    if features is not None:
        rows = np.asarray(features)
        nearest = nearest_neighbors(rows, 1, metric="cosine")[:, 0]
        first = np.flatnonzero(nearest[nearest] == np.arange(len(nearest)))
        second = nearest[first]
        distances = np.minimum(
            _distance(hashes[first], hashes[second]),
            _distance(hashes[first], _hash([mirrored[i] for i in second])),
        )
        is_near = distances <= _NEAR_BY_FEATURES
        pairs.append((first[is_near], second[is_near]))
    first, second = map(np.concatenate, zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(first)), (first, second)), (len(pictures),) * 2)
    return _group(connected_components(graph, directed=False)[1])


def find_exact_copies(
    pictures: Sequence[Image.Image], paths: Sequence[str] | None = None
) -> list[list[int]]:
    """Find groups of images that are the same.

    Parameters
    ----------
    pictures : sequence of PIL.Image.Image
        Thumbnails, or the images themselves.
    paths : sequence of str, default=None
        Their files, which are compared byte by byte where thumbnails are the same.

    Returns
    -------
    list of list of int
        Groups of two or more images.

    Examples
    --------
    >>> from PIL import Image
    >>> from sklearn_mfavb.inspection import find_exact_copies
    >>> colors = ("red", "blue", "red")
    >>> find_exact_copies([Image.new("RGB", (8, 8), color) for color in colors])
    [[0, 2]]
    """
    groups = _group([(picture.size, picture.tobytes()) for picture in pictures])
    if paths is None:
        return groups
    same = []
    for group in groups:
        digests = [_digest(paths[position]) for position in group]
        same += [[group[i] for i in each] for each in _group(digests)]
    return same


def _alike(
    hashes: tuple[NDArray, NDArray], tiles: tuple[NDArray, NDArray]
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield pairs whose hashes and gray values are alike, by blocks of rows.

    The second of both arrays are those of the mirrored pictures.
    """
    for start in range(0, len(hashes[0]), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        is_near = np.zeros((len(hashes[0][block]), len(hashes[0])), dtype=bool)
        for other_hashes, other_tiles in zip(hashes, tiles, strict=True):
            products = hashes[0][block] @ other_hashes.T
            correlated = tiles[0][block] @ other_tiles.T >= _CORRELATION
            is_near |= ((64 - products) / 2 <= _NEAR) & correlated
        first, second = np.nonzero(is_near)
        is_new = first + start < second
        yield first[is_new] + start, second[is_new]


def _hash(pictures: Iterable[Image.Image]) -> NDArray[np.float32]:
    """Return perceptual hashes as rows of 64 numbers, 1 or -1."""
    bits = [imagehash.phash(picture).hash.ravel() for picture in pictures]
    return np.where(bits, np.float32(1), np.float32(-1))


def _distance(first: NDArray, second: NDArray) -> NDArray:
    """Return in how many bits the hashes in two arrays differ, row by row."""
    return np.count_nonzero(first != second, axis=1)


def _reduce(pictures: Iterable[Image.Image]) -> NDArray[np.float32]:
    """Return gray values of a small copy, centered and of unit length."""
    size = (_SIDE, _SIDE)
    gray = [picture.convert("L").resize(size, reducing_gap=2) for picture in pictures]
    rows = np.stack([np.asarray(each, dtype=np.float32).ravel() for each in gray])
    rows -= rows.mean(axis=1, keepdims=True)
    return normalize(rows, copy=False)  # blank pictures correlate with nothing


def _group(keys: Iterable[object]) -> list[list[int]]:
    """List the positions of equal keys that occur twice or more."""
    positions: dict[object, list[int]] = {}
    for position, key in enumerate(keys):
        positions.setdefault(key, []).append(position)
    return [group for group in positions.values() if len(group) > 1]


def _digest(path: str) -> bytes:
    """Return what tells the content of a file from others."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
