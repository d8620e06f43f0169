"""matplotlib is needed to draw, and for nothing else."""

import sys

import numpy as np
import pytest

from sklearn_mfavb.inspection import (
    ClusterGalleryDisplay,
    EmbeddingMapDisplay,
    MatchedConfusionDisplay,
    TrainingCurvesDisplay,
    ViewsDisplay,
)

DISPLAYS = [
    ClusterGalleryDisplay([], {}),
    EmbeddingMapDisplay(np.zeros((1, 2)), np.zeros(1, int)),
    MatchedConfusionDisplay(np.ones((1, 1), int), class_names=["a"], cluster_names=[0]),
    TrainingCurvesDisplay([{"epoch": 1, "loss": 1.0}]),
    ViewsDisplay([], [], []),
]


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: type(each).__name__)
def test_missing_matplotlib_is_named(display, monkeypatch):
    """The error says which extra brings it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display.plot .*sklearn-mfavb\[pictures\]"):
        display.plot()


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: type(each).__name__)
def test_plot_returns_the_display(display):
    """As scikit-learn's do, with axes and figure."""
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
