"""The figure of MFAVB's method: `python docs/figures/method.py` writes method.svg.

The photograph is china.jpg of scikit-learn, by danielbuechele, CC BY 2.0.
"""

import numpy as np
import torch
from drawing import (
    BOTH,
    FIRST,
    GOOD,
    LINE,
    PAPER,
    PLAIN,
    SECOND,
    arrow,
    box,
    keep,
    make_panel,
    write,
)
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image
from sklearn.datasets import load_sample_image

from sklearn_mfavb.augmentation import make_views

TOP, MIDDLE, BOTTOM = 3.25, 2.35, 1.45  # heights of view a, of both, of view b
SEED = 11


def draw_views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a photograph and two augmented views of it, as the package draws them."""
    photograph = Image.fromarray(load_sample_image("china.jpg")).crop((60, 0, 487, 427))
    image = np.asarray(photograph.resize((96, 96)))
    batch = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    torch.manual_seed(SEED)
    views = [
        view(batch)[0].permute(1, 2, 0).clamp(0, 1).numpy()
        for view in make_views("photographs", (96, 96))
    ]
    return image, *views


def show(plane: Axes, picture: np.ndarray, center: tuple[float, float], side: float):
    """Draw a picture around a place."""
    (x, y), half = center, side / 2
    plane.imshow(picture, extent=(x - half, x + half, y - half, y + half), zorder=2)


def draw_tokens(plane: Axes, place: tuple[float, float], color: str) -> None:
    """Draw four tokens one above the other, around a place."""
    for row in range(4):
        corner = (place[0] - 0.09, place[1] - 0.4 + 0.2 * row)
        plane.add_patch(
            Rectangle(corner, 0.18, 0.18, facecolor=color, edgecolor=LINE, linewidth=1)
        )


def main() -> None:
    """Draw it from left to right."""
    figure, plane = make_panel(12, 4.7)
    image, first, second = draw_views()
    show(plane, image, (0.8, MIDDLE), 1.0)
    write(plane, (0.8, 1.67), "image", fontsize=9)
    for picture, y, name in ((first, TOP, "view a"), (second, BOTTOM, "view b")):
        show(plane, picture, (2.25, y), 0.9)
        write(plane, (2.25, y - 0.58), name, fontsize=9)
        arrow(plane, (1.35, MIDDLE + (y - MIDDLE) * 0.15), (1.75, y))

    block = FancyBboxPatch(
        (3.35, 0.6),
        5.05,
        3.45,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor="#f3f0fb",
        edgecolor="#8d7cc3",
        linestyle=(0, (5, 3)),
    )
    plane.add_patch(block)
    write(
        plane,
        (5.9, 4.3),
        "fusing-augmenting block, several in a row (two by default)",
        weight="bold",
        color="#57458f",
    )
    for y, color in ((TOP, FIRST), (BOTTOM, SECOND)):
        draw_tokens(plane, (3.03, y), color)
        arrow(plane, (3.16, y), (3.6, y))
        box(plane, (4.2, y), (1.15, 0.8), "small ViT", color)
        arrow(plane, (4.8, y), (5.3, MIDDLE + (y - MIDDLE) * 0.45))
    write(plane, (2.98, MIDDLE), "tokens", fontsize=9)
    arrow(plane, (4.2, BOTTOM + 0.42), (4.2, TOP - 0.42), style="<|-|>")
    box(plane, (4.2, MIDDLE), (0.86, 0.44), "same\nweights", PAPER, fontsize=8)
    draw_tokens(plane, (5.45, MIDDLE + 0.4), FIRST)
    draw_tokens(plane, (5.45, MIDDLE - 0.41), SECOND)
    write(plane, (5.45, 1.25), "tokens\njoined", fontsize=9)
    arrow(plane, (5.6, MIDDLE), (6.0, MIDDLE))
    box(plane, (6.6, MIDDLE), (1.15, 1.9), "larger ViT:\nthe views\nare fused", BOTH)
    for y, color, name in ((TOP, FIRST, "half a"), (BOTTOM, SECOND, "half b")):
        arrow(plane, (7.2, MIDDLE + (y - MIDDLE) * 0.45), (7.75, y))
        draw_tokens(plane, (7.9, y), color)
        write(plane, (7.9, y - 0.55), name, fontsize=9)
    write(plane, (7.9, MIDDLE), "split:\na new pair", fontsize=9)

    for y, color in ((TOP, FIRST), (BOTTOM, SECOND)):
        arrow(plane, (8.03, y), (8.8, y))
        box(plane, (9.6, y + 0.25), (1.55, 0.42), "instance head", color, fontsize=9)
        box(plane, (9.6, y - 0.25), (1.55, 0.42), "cluster heads", color, fontsize=9)
        end = MIDDLE + 0.45 if y > MIDDLE else MIDDLE - 0.45
        arrow(plane, (10.42, y), (10.95, end))
    box(
        plane,
        (11.15, MIDDLE),
        (1.3, 0.8),
        "contrast:\nhalves of one\nimage agree",
        GOOD,
        fontsize=8.5,
    )
    box(
        plane,
        (10.15, 0.55),
        (3.0, 0.6),
        "after training:\nimage → embedding → cluster",
        PLAIN,
        fontsize=8.5,
    )
    keep(figure, "method.svg")


if __name__ == "__main__":
    main()
