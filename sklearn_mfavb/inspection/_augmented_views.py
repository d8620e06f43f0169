"""ViewsDisplay: images and their augmented views."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from sklearn.utils import check_random_state, check_scalar
from torch import Tensor

from sklearn_mfavb.inspection._findings import check_estimator, open_views
from sklearn_mfavb.inspection._pictures import MosaicDisplay, to_picture
from sklearn_mfavb.views import unit_pixels


@dataclass(eq=False, repr=False)
class ViewsDisplay(MosaicDisplay):
    """Images and their augmented views: one row for each.

    The first picture of a row is the image as the network would see it. Then come views
    of the first kind and of the second; the contrast of an estimator draws one of each.
    A view that no longer shows what matters, or one that still gives away what does
    not, explains many poor clusterings.

    Use `from_estimator` to create one.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        The images.
    first, second : sequence of sequence of PIL.Image.Image
        Views of each image, of the first and of the second kind.

    Attributes
    ----------
    image_, ax_, figure_ : matplotlib AxesImage, Axes and Figure

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

    images: Sequence[Image.Image]
    first: Sequence[Sequence[Image.Image]]
    second: Sequence[Sequence[Image.Image]]

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
        estimator, X : BaseImageClusterer, and array-like, path or sequence
            An estimator, fitted or not, and images in any of the forms that it accepts.
        n_images, n_views : int, default=5 and 4
            Images that are shown, drawn at random, and views of either kind of each.
        random_state : int, RandomState instance or None, default=None
            Seed of images and views. torch's global state is left alone.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        """
        check_estimator(estimator)
        check_scalar(n_images, "n_images", Integral, min_val=1)
        check_scalar(n_views, "n_views", Integral, min_val=1)
        source, size, views = open_views(estimator, X)
        random = check_random_state(random_state)
        drawn: dict[int, Tensor] = {}
        for index in random.permutation(len(source)):
            image = unit_pixels(source.read([index], size))[0]
            if index not in source.unreadable:
                drawn[index] = image
            if len(drawn) == n_images:
                break
        images = [drawn[index] for index in sorted(drawn)]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(random.randint(np.iinfo(np.int32).max))
            first, second = (
                [
                    [to_picture(each) for each in view(batch).detach()]
                    for batch in (image.repeat(n_views, 1, 1, 1) for image in images)
                ]
                for view in views
            )
        return cls([to_picture(image) for image in images], first, second).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw all pictures on the matplotlib Axes `ax`; None makes a figure."""
        groups = {
            "image": [[image] for image in self.images],
            "first view": self.first,
            "second view": self.second,
        }
        return self._plot_mosaic(groups, [""] * len(self.images), ax)
