"""The demonstration: digits that ship with scikit-learn, clustered without labels."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.estimators import MFAVBClustering
from sklearn_mfavb.files import free_path
from sklearn_mfavb.inspection import (
    ClusterGalleryDisplay,
    gather_findings,
    rank_members,
)
from sklearn_mfavb.metrics import clustering_summary

Record = dict[str, Any]


def run_demo(*, seed: int, out: Path, json_file: Path | None = None) -> list[Record]:
    """Cluster the digits, print a table against k-means and write a picture.

    Parameters
    ----------
    seed : int
        Seed of both methods.
    out : pathlib.Path
        Folder for ``clusters.png``, or ``clusters-2.png`` and so on if there is one;
        made if it does not exist.
    json_file : pathlib.Path, default=None
        Where the figures are written as JSON; None writes none.

    Returns
    -------
    list of dict
        One per method, with ``method``, ``acc``, ``nmi``, ``ari`` and ``seconds``.
    """
    out.mkdir(parents=True, exist_ok=True)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.open("a").close()  # if it cannot be written, better to know now
    images, digits = load_digit_images()
    n_clusters = 10
    print(f"Clustering {len(images):,} images of {images.shape[1]}x{images.shape[2]}")
    rows = images.reshape(len(images), -1)
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
    mfavb = MFAVBClustering(n_clusters, verbose=1, random_state=seed)
    records = [
        _measure("KMeans on pixels", kmeans, rows, digits),
        _measure("MFAVBClustering", mfavb, images, digits),
    ]
    print(_format_table(records))
    picture = free_path(out / "clusters.png")
    _draw_typical(mfavb, images).save(picture)
    print(f"The most typical members of every cluster: {picture}")
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    return records


def _measure(method: str, estimator: Any, images: NDArray, digits: NDArray) -> Record:
    """Fit and time one estimator; the digits only score it."""
    start = time.perf_counter()
    labels = estimator.fit_predict(images)
    seconds = time.perf_counter() - start
    summary = clustering_summary(np.asarray(digits), labels)
    return {"method": method, **summary, "seconds": round(seconds, 2)}


def _draw_typical(clusterer: MFAVBClustering, images: NDArray) -> Image.Image:
    """Draw the most typical members of every cluster, without matplotlib."""
    found = gather_findings(clusterer, images)
    members = rank_members(
        found.probabilities, found.embedding, n_typical=16, n_doubtful=0
    )
    pictures = dict(enumerate(map(Image.fromarray, images)))
    return ClusterGalleryDisplay(members, pictures).to_image()


def _format_table(records: list[Record]) -> str:
    """Lay the figures out as a table of plain text."""
    lines = [f"{'method':<18} {'ACC':>6} {'NMI':>6} {'ARI':>6} {'seconds':>8}"]
    lines += [
        "{method:<18} {acc:>6.3f} {nmi:>6.3f} {ari:>6.3f} {seconds:>8.1f}".format(**row)
        for row in records
    ]
    return "\n".join(lines)
