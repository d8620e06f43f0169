"""What Displays share: findings that are gathered once, and axes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_mfavb.estimators import (
    BaseImageClusterer,
    Prediction,
    as_augmentation,
    draw_image_views,
    looks_at_pixels,
    open_inputs,
    resolve_image_size,
)
from sklearn_mfavb.images import ImageDataset, ImageSource


@dataclass(frozen=True)
class Findings:
    """Images, and what a fitted estimator finds in them.

    `inputs` are the images and their features. `labels`, `probabilities` and
    `embedding` are as returned by `predict`, `predict_proba` and `transform`: labels
    are -1 for outliers, and -1 and NaN stand for files that were skipped. `score` is
    None if it was not asked for.
    """

    inputs: ImageDataset
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    score: float | None = None

    @property
    def is_outlier(self) -> NDArray[np.bool]:
        """Which images were read, and belong to no cluster."""
        return (self.labels < 0) & ~np.isnan(self.probabilities[:, 0])

    @property
    def probabilities_of_members(self) -> NDArray[np.float32]:
        """The probabilities, NaN for outliers."""
        return np.where(self.is_outlier[:, None], np.nan, self.probabilities)

    @property
    def source(self) -> ImageSource:
        """The images; ValueError if there are none, but features alone."""
        if self.inputs.source is None:
            raise ValueError(
                "X holds features alone, which have no pictures: pass the images as X "
                "and their features as features=."
            )
        return self.inputs.source


def gather_findings(
    estimator: Any, X: Any, *, features: Any = None, with_score: bool = False
) -> Findings:
    """Open and embed images once, for all Displays and the report.

    The images of `fit` are not embedded again, if they are arrays or files that have
    not changed since: what `fit` found is kept.

    `estimator` is a fitted one of this package; `X` and `features` are as for
    `predict`. `with_score` computes the score too, which seeks the neighbors of every
    image.
    """
    check_estimator(estimator)
    check_is_fitted(estimator)
    images = Prediction(estimator, X, features)
    inputs, found = images.dataset, images.find()
    if inputs.source is not None and np.isnan(found.probabilities).all():
        raise ValueError(
            f"None of the {len(found.labels)} images can be read; the first: "
            f"{inputs.source.unreadable[0]}"
        )
    score = images.agreement(found.labels) if with_score else None
    return Findings(inputs, *found, score=score)


def check_estimator(estimator: Any) -> None:
    """Raise TypeError for what is not an estimator of this package."""
    if not isinstance(estimator, BaseImageClusterer):
        raise TypeError(
            "estimator must be one of sklearn_mfavb's, such as MFAVBClustering, got a "
            f"{type(estimator).__name__}: for others, see from_predictions."
        )


def open_views(
    estimator: Any, X: Any
) -> tuple[ImageSource, tuple[int, int], tuple[Callable[[Tensor], Tensor], ...]]:
    """Open images; return the size at which views are drawn, and what draws them."""
    augmentation = as_augmentation(estimator.augmentation)
    looks = looks_at_pixels(estimator.encoder, estimator.use_pixels)
    if not looks and not augmentation.encoded_views:
        raise ValueError(
            f"With encoder={estimator.encoder!r} the estimator looks at features "
            "alone: its views are perturbed features, which have no picture. Set "
            "use_pixels=True to have it look at pixels too."
        )
    reader = clone(estimator)  # reading for the first time leaves traces
    reader._validate_params()
    image_format = (
        estimator.model_.image_format if hasattr(estimator, "model_") else None
    )
    _, source, _ = open_inputs(reader, X, None, image_format=image_format)
    if source is None:
        raise ValueError("Views are drawn from images, but X holds rows of features.")
    size: Any = getattr(estimator, "image_size_", None)
    if augmentation.encoded_views:
        size = source.image_size
    elif size is None:
        size = resolve_image_size(estimator.image_size, source, looks_at_pixels=True)
    return source, size, draw_image_views(augmentation, source, size)


class Display:
    """Base of everything that matplotlib draws."""

    ax_: Any
    figure_: Any

    def _open_axes(self, ax: Any, figsize: tuple[float, float] | None = None) -> None:
        """Take the axes to draw on, or make a figure."""
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot needs matplotlib, which is not installed: "
                "pip install 'sklearn-mfavb[pictures]'."
            ) from error
        if ax is None:
            _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure


class FindingsDisplay(Display):
    """Base of Displays of what a fitted estimator finds in images."""

    from_findings: ClassVar[Callable[..., Any]]

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, features: Any = None, **options: Any
    ) -> Self:
        """Embed images with a fitted estimator, and draw what it finds.

        Several Displays of the same images share what :func:`gather_findings` finds:
        pass it to `from_findings`, which also takes the `options`. `X` and `features`
        are as for `predict`.
        """
        found = gather_findings(estimator, X, features=features)
        return cls.from_findings(found, **options)
