"""Small labeled images for tests, examples and first steps."""

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, validate_params


def _in_box(x: NDArray, y: NDArray) -> NDArray:
    """Whether points lie in the square from -1 to 1."""
    return (abs(x) <= 1) & (abs(y) <= 1)


# Whether each kind of shape covers the points (x, y); it fills the square from -1 to 1,
# with y downwards. The order is part of the interface: `n_clusters` takes the first.
_SHAPES: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "disk": lambda x, y: x**2 + y**2 <= 1,
    "frame": lambda x, y: _in_box(x, y) & (np.maximum(abs(x), abs(y)) >= 0.6),
    "cross": lambda x, y: _in_box(x, y) & (np.minimum(abs(x), abs(y)) <= 0.25),
    "horizontal bars": lambda x, y: _in_box(x, y) & (abs(abs(y) - 0.4) >= 0.2),
    "vertical bars": lambda x, y: _in_box(x, y) & (abs(abs(x) - 0.4) >= 0.2),
    "triangle": lambda x, y: _in_box(x, y) & (abs(x) <= (y + 1) / 2),
    "saltire": lambda x, y: _in_box(x, y) & (abs(abs(x) - abs(y)) <= 0.3),
    "checkerboard": lambda x, y: _in_box(x, y) & ((abs(x) < 1 / 3) == (abs(y) < 1 / 3)),
}


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, len(_SHAPES), closed="both")],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "n_channels": [Options(Integral, {1, 3})],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_shape_images(
    n_samples: int = 200,
    *,
    n_clusters: int = 4,
    image_size: int = 16,
    n_channels: int = 1,
    noise: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw small pictures of simple shapes, one kind of shape for each cluster.

    In order of their labels: disk, frame, cross, horizontal bars, vertical bars,
    triangle, saltire (a diagonal cross), checkerboard. Place, size, brightness or
    color, and noise differ from image to image, so that pixels alone do not give the
    shapes away.

    Parameters
    ----------
    n_samples : int, default=200
        Number of images, shared equally among the shapes and shuffled.
    n_clusters : int, default=4
        Number of kinds of shapes, from 1 to 8.
    image_size : int, default=16
        Height and width in pixels, at least 8.
    n_channels : {1, 3}, default=1
        3 draws a shape of any light color on a ground of any dark one.
    noise : float, default=0.05
        Standard deviation of the noise on each pixel, where white is 1.
    random_state : int, RandomState instance or None, default=None
        Seed of all that differs between images.

    Returns
    -------
    images : ndarray of uint8 of shape (n_samples, image_size, image_size[, 3])
    labels : ndarray of int64 of shape (n_samples,)

    Examples
    --------
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> images, labels = make_shape_images(12, n_channels=3, random_state=0)
    >>> images.shape, images.dtype
    ((12, 16, 16, 3), dtype('uint8'))
    >>> sorted(labels.tolist())
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    """
    rng = check_random_state(random_state)
    labels = rng.permutation(np.arange(n_samples, dtype=np.int64) % n_clusters)
    covered = _draw_masks(labels, image_size, rng)[..., np.newaxis]
    dark = rng.uniform(0.0, 0.3, (n_samples, 1, 1, n_channels))
    light = rng.uniform(0.6, 1.0, (n_samples, 1, 1, n_channels))
    pixels = np.where(covered, light, dark)
    pixels += noise * rng.standard_normal(pixels.shape)
    images = (255 * pixels.clip(0, 1)).round().astype(np.uint8)
    return (images[..., 0] if n_channels == 1 else images), labels


def _draw_masks(
    labels: NDArray[np.int64], image_size: int, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    """Return the pixels covered by a shape of random place and size in each image."""
    n_samples = len(labels)
    radius = rng.uniform(0.3, 0.45, n_samples)  # as a share of the side
    x_center, y_center = rng.uniform(radius, 1 - radius, (2, n_samples))
    pixel = (np.arange(image_size) + 0.5) / image_size
    x = ((pixel - x_center[:, np.newaxis]) / radius[:, np.newaxis])[:, np.newaxis, :]
    y = ((pixel - y_center[:, np.newaxis]) / radius[:, np.newaxis])[:, :, np.newaxis]
    masks = np.empty((n_samples, image_size, image_size), dtype=np.bool_)
    for label, covers in enumerate(_SHAPES.values()):
        rows = labels == label
        masks[rows] = covers(x[rows], y[rows])
    return masks


def load_digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return scikit-learn's handwritten digits as 8-bit images, and their labels.

    Their 17 levels of gray, 0 to 16, are spread over 0 to 255.

    Examples
    --------
    >>> from sklearn_mfavb.datasets import load_digit_images
    >>> images, labels = load_digit_images()
    >>> images.shape, int(images.max())
    ((1797, 8, 8), 255)
    """
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    return images, digits.target.astype(np.int64)
