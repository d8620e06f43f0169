"""What all Displays share."""

import sys

import numpy as np
import pytest

from sklearn_mfavb.inspection import (
    ClusterGalleryDisplay,
    EmbeddingMapDisplay,
    MatchedConfusionDisplay,
    TrainingCurvesDisplay,
    ViewsDisplay,
    gather_findings,
)
from sklearn_mfavb.report import write_report

DISPLAYS = [
    ClusterGalleryDisplay([], {}),
    EmbeddingMapDisplay(np.zeros((1, 2)), np.zeros(1, int)),
    MatchedConfusionDisplay(np.ones((1, 1), int), class_names=["a"], cluster_names=[0]),
    TrainingCurvesDisplay([{"epoch": 1, "loss": 1.0}]),
    ViewsDisplay([], [], []),
]


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: type(each).__name__)
def test_matplotlib_draws(display, monkeypatch):
    """`plot` returns the Display, or names the extra that brings matplotlib."""
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display.plot .*sklearn-mfavb\[pictures\]"):
        display.plot()


def test_findings_are_gathered_once(fitted, shapes, monkeypatch, tmp_path):
    """All Displays and the report draw the same findings; nothing is embedded again."""
    found = gather_findings(fitted, shapes[0])
    monkeypatch.delattr("sklearn_mfavb.estimators._model.ClusteringModel.embed")
    gallery = ClusterGalleryDisplay.from_findings(found, n_typical=2)
    assert gallery.members[0].n_images == np.count_nonzero(found.labels == 0)
    drawn = EmbeddingMapDisplay.from_findings(found, random_state=0)
    np.testing.assert_array_equal(drawn.labels, found.labels)
    confusion = MatchedConfusionDisplay.from_findings(found, shapes[1])
    assert confusion.counts.sum() == 60
    assert write_report(fitted, found, tmp_path / "page.html").exists()
