"""The flow chart of the user guide: `python docs/figures/choosing.py`."""

from drawing import GOOD, SECOND, arrow, box, keep, make_panel, write
from matplotlib.axes import Axes

# A question, what to use if the answer is yes, and a remark on it.
ESTIMATOR = [
    (
        "Do you have features of\nthe images already?",
        'MFAVBClustering(K, encoder="precomputed")',
        "fit(features): no image is needed",
    ),
    (
        "Are they photographs?",
        'MFAVBClustering(K, encoder="ViT-B-32")',
        "a pretrained encoder; which one: see below",
    ),
    (
        "Are they small gray pictures,\nsuch as digits or letters?",
        "MFAVBClustering(K)",
        "learns from the pixels, with its defaults",
    ),
    (
        "Do you need a control\nfor a paper?",
        "VTCCClustering, ContrastiveClustering, ...",
        "set_params(**VTCCClustering.REFERENCE)",
    ),
]
ENCODER = [
    (
        "Is there no connection\nto the internet?",
        'CLIPFeatures("ViT-B-32-quickgelu", "weights.safetensors")',
        "OpenAI's weights in a file that you bring along",
    ),
    (
        "Are the images of one field,\nsuch as medicine?",
        'encoder="precomputed", or your own transformer',
        "from a network that was trained on such images",
    ),
    (
        "Do you have a GPU,\nor time?",
        'encoder="ViT-B-16"',
        "four times the patches of ViT-B-32; the tables are with this one",
    ),
]
ROW = 1.02


def ladder(
    plane: Axes, top: float, title: str, rungs: list[tuple[str, str, str]], rest: str
) -> None:
    """Draw questions one below the other, each with its answer to the right."""
    write(plane, (0.4, top), title, fontsize=12, weight="bold", align="left")
    for number, (question, answer, remark) in enumerate(rungs):
        y = top - 0.75 - number * ROW
        box(plane, (2.05, y), (3.3, 0.68), question)
        arrow(plane, (3.72, y), (4.58, y))
        write(plane, (4.12, y + 0.14), "yes", fontsize=9)
        box(plane, (7.3, y), (5.4, 0.68), "", GOOD)
        plane.text(
            7.3,
            y + 0.13,
            answer,
            ha="center",
            va="center",
            fontsize=10,
            family="DejaVu Sans Mono",
        )
        write(plane, (7.3, y - 0.17), remark, fontsize=8.5, color="#3f4854")
        arrow(plane, (2.05, y - 0.35), (2.05, y - ROW + 0.35))
        write(plane, (2.25, y - ROW / 2), "no", fontsize=9)
    y = top - 0.75 - len(rungs) * ROW
    box(plane, (5.2, y), (9.6, 0.68), rest, SECOND)


def main() -> None:
    """Draw both ladders, one below the other."""
    figure, plane = make_panel(10.4, 11.2)
    ladder(
        plane,
        10.8,
        "Which estimator?",
        ESTIMATOR,
        "Try k-means or spectral clustering on the pixels first: a network\n"
        "that starts from random weights needs many images and epochs.",
    )
    ladder(
        plane,
        5.2,
        "Which encoder?",
        ENCODER,
        'Use "ViT-B-32". If the clusters are not those you had in mind,\n'
        "try another encoder before any other setting.",
    )
    write(
        plane,
        (5.2, 0.62),
        'K unknown: n_clusters="auto".   Pictures that belong nowhere: '
        'outliers="auto".\nAlways compare with k-means on the same features.',
    )
    keep(figure, "choosing.svg")


if __name__ == "__main__":
    main()
