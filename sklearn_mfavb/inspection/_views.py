"""ViewsDisplay: what the augmentation makes of images."""

from collections.abc import Callable, Sequence
from numbers import Integral
from operator import itemgetter
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.utils import check_random_state, check_scalar
from torch import Tensor

from sklearn_mfavb.augmentation import make_views
from sklearn_mfavb.images import ImageDataset, ImageSource
from sklearn_mfavb.inspection._findings import check_estimator
from sklearn_mfavb.inspection._mosaic import draw_mosaic, lay_mosaic
from sklearn_mfavb.inspection._thumbnails import to_picture
from sklearn_mfavb.training import local_seed
from sklearn_mfavb.views import unit_pixels


class ViewsDisplay:
    """What an estimator's augmentation makes of images: one row for each.

    The first picture of a row is the image as the network would see it. Then come views
    of the first kind and of the second; the contrast of an estimator draws one of each.
    A view that no longer shows what matters, or one that still gives away what does
    not, explains many poor clusterings.

    It is recommended to use `from_estimator` to create one. All parameters are stored
    as attributes.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        The images.
    first, second : sequence of sequence of PIL.Image.Image
        Views of each image, of the first and of the second kind.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        All pictures.
    ax_ : matplotlib Axes
        Axes with the pictures.
    figure_ : matplotlib Figure
        Figure that contains them.

    Examples
    --------
    >>> from sklearn_mfavb import MFAVBClustering
    >>> from sklearn_mfavb.datasets import make_shape_images
    >>> from sklearn_mfavb.inspection import ViewsDisplay
    >>> images, _ = make_shape_images(10, n_clusters=2, random_state=0)
    >>> clusterer = MFAVBClustering(2, augmentation="characters")  # not fitted
    >>> display = ViewsDisplay.from_estimator(clusterer, images, random_state=0)
    >>> len(display.images), len(display.first[0])
    (5, 4)
    """

    def __init__(
        self,
        images: Sequence[Image.Image],
        first: Sequence[Sequence[Image.Image]],
        second: Sequence[Sequence[Image.Image]],
    ) -> None:
        self.images = images
        self.first = first
        self.second = second

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_images: int = 5,
        n_views: int = 4,
        random_state: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw views of some images, as the estimator would draw them in `fit`.

        Parameters
        ----------
        estimator : BaseImageClusterer
            An estimator of this package, fitted or not.
        X : array-like, path or sequence
            Images, in any of the forms that the estimator accepts.
        n_images : int, default=5
            How many images to show; of more, so many are drawn at random.
        n_views : int, default=4
            How many views of either kind to draw of each image.
        random_state : int, RandomState instance or None, default=None
            Seed of images and views. torch's global state is left alone.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        ViewsDisplay

        Raises
        ------
        ValueError
            If the estimator looks at features alone: its views have no pictures.
        """
        check_estimator(estimator)
        check_scalar(n_images, "n_images", Integral, min_val=1)
        check_scalar(n_views, "n_views", Integral, min_val=1)
        if not estimator._sees_images and not estimator.clip_views:
            raise ValueError(
                f"With clip={estimator.clip!r} the estimator looks at features alone: "
                "its views are perturbed features, which have no picture. Set "
                "image_tokens=True to have it look at pixels too."
            )
        source, size = _read_as_fit(estimator, X)
        random = check_random_state(random_state)
        images = _draw_images(source, size, n_images, random)
        augmentation = estimator._resolve_augmentation(ImageDataset(source, size))
        seed = random.randint(np.iinfo(np.int32).max)
        with local_seed(seed, torch.device("cpu")):
            first, second = (
                [_draw_views(view, image, n_views) for image in images]
                for view in make_views(augmentation, size)
            )
        return cls([to_picture(image) for image in images], first, second).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw one row for each image: itself, then its views.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        ViewsDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        groups = {
            "image": [[image] for image in self.images],
            "first view": self.first,
            "second view": self.second,
        }
        self.image_, self.ax_ = draw_mosaic(
            lay_mosaic(groups),
            row_names=[""] * len(self.images),
            display=type(self).__name__,
            ax=ax,
        )
        self.figure_ = self.ax_.figure
        return self


def _read_as_fit(estimator: Any, X: Any) -> tuple[ImageSource, tuple[int, int]]:
    """Open images, and say at which size the estimator augments them."""
    if hasattr(estimator, "image_size_"):
        source = estimator._read_images(X, reset=False)
        size = estimator.image_size_
    else:
        reader = clone(estimator)  # reading for the first time leaves traces
        reader._validate_params()
        source = reader._read_images(X, reset=True)
        size = reader._resolve_image_size(source)
    return source, source.image_size if estimator.clip_views else size


def _draw_images(
    source: ImageSource,
    size: tuple[int, int],
    n_images: int,
    random: np.random.RandomState,
) -> list[Tensor]:
    """Draw some images that can be read, in [0, 1], in the order of the source."""
    images = []
    for index in random.permutation(len(source)):
        image = unit_pixels(source.read([index], size))[0]
        if index not in source.unreadable:
            images.append((index, image))
        if len(images) == n_images:
            break
    return [image for _, image in sorted(images, key=itemgetter(0))]


def _draw_views(
    view: Callable[[Tensor], Tensor], image: Tensor, n_views: int
) -> list[Image.Image]:
    """Draw views of one image, as a batch of its copies."""
    views = view(image.repeat(n_views, 1, 1, 1))
    return [to_picture(each) for each in views.detach()]
