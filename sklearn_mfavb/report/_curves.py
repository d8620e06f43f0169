"""Training curves as the points of small drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn_mfavb.inspection import read_curves, read_stages

WIDTH, HEIGHT = 240, 90  # of the drawing, in its own units


@dataclass(frozen=True)
class Curve:
    """One term over the epochs, ready to be drawn.

    Parameters
    ----------
    name : str
        The term.
    points : str
        For the attribute ``points`` of an SVG polyline.
    last_point : tuple of float
        Where it ends.
    first, last, low, high : float
        Values of the term.
    """

    name: str
    points: str
    last_point: tuple[float, float]
    first: float
    last: float
    low: float
    high: float


@dataclass(frozen=True)
class StageMark:
    """Where a stage of training begins."""

    name: str
    epoch: int
    x: float


def draw_curves(history: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """Draw every term to its own scale: terms differ a hundredfold."""
    n_epochs = len(history)
    curves = []
    for name, points in read_curves(history).items():
        values = [value for _, value in points]
        low, high = min(values), max(values)
        drawn = [
            (_place(epoch, n_epochs), HEIGHT * (high - value) / ((high - low) or 1.0))
            for epoch, value in points
        ]
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        curves.append(Curve(name, text, drawn[-1], values[0], values[-1], low, high))
    return curves


def mark_stages(history: Sequence[Mapping[str, Any]]) -> list[StageMark]:
    """Mark where stages begin; none where there is a single one."""
    n_epochs = len(history)
    return [
        StageMark(name, epoch, _place(epoch, n_epochs))
        for name, epoch in read_stages(history)
    ]


def _place(epoch: int, n_epochs: int) -> float:
    """Return where an epoch, counted from 1, is drawn."""
    return WIDTH * (epoch - 1) / max(1, n_epochs - 1)
