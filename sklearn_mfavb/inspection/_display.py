"""What Displays share: axes of matplotlib, and findings that are gathered once."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from sklearn_mfavb.inspection._findings import gather_findings


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
        pass it to `from_findings`.

        Parameters
        ----------
        estimator : BaseImageClusterer
            A fitted estimator of this package.
        X : array-like, path or sequence
            Images, in any of the forms that the estimator accepts.
        features : array-like of shape (n_samples, n_features), default=None
            Features of the images, if the estimator was fitted with precomputed ones.
        **options : dict
            Passed to `from_findings`.
        """
        found = gather_findings(estimator, X, features=features)
        return cls.from_findings(found, **options)
