"""Curves of the loss, its terms, and the stages."""

import pytest
from numpy.testing import assert_array_equal

from sklearn_mfavb.inspection import TrainingCurvesDisplay, read_curves, read_stages

STAGED = [
    {"epoch": 1, "stage": "pretext", "loss": 3.0, "instance_loss": 3.0, "seconds": 1},
    {"epoch": 2, "stage": "pretext", "loss": 2.0, "instance_loss": 2.0, "seconds": 1},
    {"epoch": 3, "stage": "clustering", "loss": 1.0, "entropy_loss": 1.0, "seconds": 1},
]


def test_curves_of_terms_that_a_stage_lacks():
    """A term is drawn where it was part of the loss; times are no terms."""
    assert read_curves(STAGED) == {
        "loss": [(1, 3.0), (2, 2.0), (3, 1.0)],
        "entropy_loss": [(3, 1.0)],
        "instance_loss": [(1, 3.0), (2, 2.0)],
    }
    assert read_stages(STAGED) == [("pretext", 1), ("clustering", 3)]
    assert read_stages([{"epoch": 1, "loss": 1.0}]) == []


def test_terms_keep_their_colors():
    """Neither the order in a saved history nor the choice of terms changes them."""
    lines = TrainingCurvesDisplay(STAGED).plot().lines_
    assert list(lines) == ["loss", "entropy_loss", "instance_loss"]
    loaded = TrainingCurvesDisplay([dict(sorted(row.items())) for row in STAGED])
    for term, line in loaded.plot(terms=["instance_loss", "loss"]).lines_.items():
        assert line.get_color() == lines[term].get_color()


def test_stages_are_marked():
    """A dashed line parts two stages, and each has its name."""
    display = TrainingCurvesDisplay(STAGED).plot()
    assert [text.get_text() for text in display.ax_.texts] == ["pretext", "clustering"]
    assert_array_equal(display.ax_.lines[-1].get_xdata(), [2.5, 2.5])
    assert_array_equal(display.lines_["instance_loss"].get_xdata(), [1, 2])


def test_estimators_draw_the_terms_asked_for(fitted):
    """The curve is that of the history."""
    display = TrainingCurvesDisplay.from_estimator(fitted, terms=["loss"])
    assert list(display.lines_) == ["loss"]
    losses = [row["loss"] for row in fitted.history_]
    assert_array_equal(display.lines_["loss"].get_ydata(), losses)


def test_unknown_terms_are_named():
    """The error has what there is."""
    with pytest.raises(ValueError, match=r"\['gain'\].*'entropy_loss'"):
        TrainingCurvesDisplay(STAGED).plot(terms=["loss", "gain"])
