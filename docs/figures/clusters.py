"""Real clusters, and the report about them, as pictures for the first pages.

    python docs/figures/clusters.py [FILE]

writes clusters.png and, where Chromium is installed, report.png. Without a file it
clusters the digits of scikit-learn (about a minute). A file has `images`, `labels`,
`class_names` and `clip_vitb16`, features of CLIP ViT-B/16; only pictures that may be
passed on belong into the repository. Run it again when the report looks different.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from drawing import HERE, INK, PAPER
from PIL import Image

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images, load_images
from sklearn_mfavb.inspection import Findings, gather_findings, rank_members
from sklearn_mfavb.report import write_report

SHOWN = 6  # pictures of each cluster


def write_folder(file: Path | None, folder: Path) -> tuple[int, np.ndarray | None]:
    """Write the images as files, and return the number of classes, and features."""
    if file is None:
        images, kinds = load_digit_images()
        words, features = [f"digit{kind}" for kind in range(10)], None
    else:
        loaded = load_images(file)
        images, kinds, words = loaded.images, loaded.target, loaded.target_names
        features = loaded.features["clip_vitb16"].astype(np.float32)
    names = [f"{words[kind]}_{row:04}.png" for row, kind in enumerate(kinds)]
    for image, name in zip(images, names, strict=True):
        Image.fromarray(image).save(folder / name)
    return len(words), None if features is None else features[np.argsort(names)]


def draw_clusters(found: Findings, paths: list[str]) -> None:
    """Draw the most typical pictures of every cluster, two clusters side by side."""
    clusters = rank_members(found.probabilities, found.embedding, n_typical=SHOWN)
    plt.rcParams["font.family"] = "DejaVu Sans"
    rows = -(-len(clusters) // 2)
    figure = plt.figure(figsize=(12, 0.92 * rows + 0.1), facecolor=PAPER)
    grid = figure.add_gridspec(
        rows,
        2 * SHOWN + 3,
        left=0.005,
        right=0.995,
        top=0.98,
        bottom=0.02,
        hspace=0.06,
        wspace=0.06,
        width_ratios=[1.15, *[1] * SHOWN, 0.1, 1.15, *[1] * SHOWN],
    )
    for number, members in enumerate(clusters):
        row, first = number % rows, (number // rows) * (SHOWN + 2)
        head = figure.add_subplot(grid[row, first])
        text = f"cluster {number}\n{members.n_images} images"
        head.text(
            *(0.5, 0.5), text, ha="center", va="center", color=INK, linespacing=1.5
        )
        head.axis("off")
        for column, member in enumerate(members.typical, start=first + 1):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(Image.open(paths[member]), cmap="gray", interpolation="bicubic")
            axes.axis("off")
    figure.savefig(HERE / "clusters.png", dpi=100)
    plt.close(figure)
    reduce_colors(HERE / "clusters.png")


def photograph_report(page: Path, folder: Path) -> None:
    """Take a picture of the top of a page in Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("There is no Chromium: report.png stays as it is.")
        return
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--hide-scrollbars", f"--user-data-dir={folder / 'profile'}"]
    command += ["--blink-settings=preferredColorScheme=1", "--window-size=1200,1000"]
    command += ["--virtual-time-budget=5000", f"--screenshot={HERE / 'report.png'}"]
    subprocess.run(
        [*command, page.as_uri()], check=True, capture_output=True, timeout=120
    )
    reduce_colors(HERE / "report.png")


def reduce_colors(picture: Path) -> None:
    """Write a picture again with 256 colors, which take a third of the space."""
    colors = Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colors.save(picture, optimize=True)


def main() -> None:
    """Cluster the images as a folder of files, and draw both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, nargs="?")
    with tempfile.TemporaryDirectory() as name:
        folder, pictures = Path(name), Path(name, "pictures")
        pictures.mkdir()
        n_clusters, features = write_folder(parser.parse_args().file, pictures)
        encoder = None if features is None else "precomputed"
        clusterer = MFAVBClustering(n_clusters, encoder=encoder, random_state=0)
        clusterer.fit(pictures, features=features)
        found = gather_findings(clusterer, pictures, features=features, with_score=True)
        draw_clusters(found, clusterer.paths_)
        n_images = len(clusterer.labels_)
        page = write_report(
            clusterer,
            found,
            folder / "page.html",
            title=f"Clusters of {n_images:,} images",
            random_state=0,
        )
        photograph_report(page, folder)


if __name__ == "__main__":
    main()
