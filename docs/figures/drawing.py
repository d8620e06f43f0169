"""Boxes, arrows and the panel that the drawn figures of these pages have in common."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

HERE = Path(__file__).parent
INK, LINE, PAPER = "#1f2430", "#5b6472", "#fbfcfe"
FIRST, SECOND, BOTH = "#cfe0f7", "#fbdcc4", "#e3dcf5"
PLAIN, GOOD = "#eef1f5", "#d5eedd"


def make_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a plane of `width` by `height` inches, one unit each.

    Its ground is pale and its own, so that it is readable on a dark page as well.
    """
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "sklearn_mfavb"})
    figure = plt.figure(figsize=(width, height))
    plane = figure.add_axes((0, 0, 1, 1))
    plane.set(xlim=(0, width), ylim=(0, height))
    plane.axis("off")
    frame = FancyBboxPatch(
        (0.06, 0.06),
        width - 0.12,
        height - 0.12,
        boxstyle="round,pad=0,rounding_size=0.15",
        facecolor=PAPER,
        edgecolor="#c9d0da",
    )
    plane.add_patch(frame)
    return figure, plane


def box(
    plane: Axes,
    center: tuple[float, float],
    size: tuple[float, float],
    text: str,
    color: str = PLAIN,
    *,
    fontsize: float = 10,
    weight: str = "normal",
) -> None:
    """Draw a rounded box with a text in its middle."""
    corner = (center[0] - size[0] / 2, center[1] - size[1] / 2)
    patch = FancyBboxPatch(
        corner,
        *size,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=color,
        edgecolor=LINE,
        linewidth=1,
    )
    plane.add_patch(patch)
    write(plane, center, text, fontsize=fontsize, weight=weight)


def write(
    plane: Axes,
    place: tuple[float, float],
    text: str,
    *,
    fontsize: float = 10,
    weight: str = "normal",
    color: str = INK,
    align: str = "center",
) -> None:
    """Write a text around a place, or to the right of it."""
    plane.text(
        *place,
        text,
        ha=align,
        va="center",
        fontsize=fontsize,
        weight=weight,
        color=color,
        linespacing=1.3,
    )


def arrow(
    plane: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    style: str = "-|>",
    bend: float = 0,
    color: str = LINE,
) -> None:
    """Draw an arrow from one place to another."""
    patch = FancyArrowPatch(
        start,
        end,
        arrowstyle=style,
        mutation_scale=12,
        shrinkA=0,
        shrinkB=0,
        color=color,
        linewidth=1.3,
        connectionstyle=f"arc3,rad={bend}",
    )
    plane.add_patch(patch)


def keep(figure: Figure, name: str) -> None:
    """Write a figure beside this file, with the same bytes every time."""
    figure.savefig(HERE / name, metadata={"Date": None})
    plt.close(figure)
