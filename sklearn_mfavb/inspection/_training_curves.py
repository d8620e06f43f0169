"""TrainingCurvesDisplay: the loss and its terms over the epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from sklearn_mfavb.inspection._findings import Display, check_estimator

Row = Mapping[str, Any]


@dataclass(eq=False, repr=False)
class TrainingCurvesDisplay(Display):
    """The loss and its terms over the epochs of a fit.

    Use `from_estimator` to create one.

    Parameters
    ----------
    history : sequence of dict
        One dict per epoch, as in the attribute ``history_`` of every estimator.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curve of each term.
    ax_, figure_ : matplotlib Axes and Figure

    Examples
    --------
    >>> from sklearn_mfavb.inspection import TrainingCurvesDisplay
    >>> history = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]
    >>> list(TrainingCurvesDisplay(history).plot().lines_)
    ['loss']
    """

    history: Sequence[Row]

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, terms: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Draw the curves of a fitted estimator of this package, as `plot` does."""
        check_estimator(estimator)
        check_is_fitted(estimator)
        return cls(estimator.history_).plot(terms=terms, ax=ax)

    def plot(self, *, terms: Sequence[str] | None = None, ax: Any = None) -> Self:
        """Draw one curve for each term; dashed lines part the stages of training.

        `terms` such as ``["loss"]`` are drawn, or all. `ax` None makes a figure.
        """
        curves = read_curves(self.history)
        wanted = list(curves) if terms is None else list(terms)
        if unknown := [term for term in wanted if term not in curves]:
            raise ValueError(
                f"terms has {unknown}, but the history has {list(curves)} only."
            )
        self._open_axes(ax)
        colors = {term: f"C{number}" for number, term in enumerate(curves)}
        self.lines_ = {}
        for term in wanted:
            # A single epoch has no line, but a dot.
            (self.lines_[term],) = self.ax_.plot(
                *zip(*curves[term], strict=True),
                marker=".",
                label=term,
                color=colors[term],
            )
        stages = read_stages(self.history)
        for _, epoch in stages[1:]:
            self.ax_.axvline(epoch - 0.5, color="0.6", linestyle="--", zorder=0)
        for stage, epoch in stages:
            self.ax_.text(epoch, 1.01, stage, transform=self.ax_.get_xaxis_transform())
        self.ax_.set(xlabel="epoch", ylabel="mean over the epoch")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend(loc="upper left", bbox_to_anchor=(1, 1))
        return self


def read_curves(history: Sequence[Row]) -> dict[str, list[tuple[int, float]]]:
    """Return epochs and values of every term of `history`: the loss, then its parts."""
    names = {name for row in history for name in row if name.endswith("loss")}
    return {
        name: [(row["epoch"], row[name]) for row in history if name in row]
        # A saved model has its terms in another order than the fit had.
        for name in sorted(names, key=lambda name: (name != "loss", name))
    }


def read_stages(history: Sequence[Row]) -> list[tuple[str, int]]:
    """Return name and first epoch of every stage in `history`, if stages have names."""
    named = [(row["stage"], row["epoch"]) for row in history if "stage" in row]
    return [next(rows) for _, rows in groupby(named, key=itemgetter(0))]
