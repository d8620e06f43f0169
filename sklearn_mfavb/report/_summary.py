"""The figures at the top of the page, and what the page does not show."""

from typing import Any

import numpy as np

from sklearn_mfavb.inspection import Findings


def list_facts(estimator: Any, found: Findings) -> dict[str, str]:
    """List the figures at the top of the page."""
    labels = found.labels[found.labels >= 0]
    sizes = np.bincount(labels, minlength=found.probabilities.shape[1])
    surest = np.nanmax(found.probabilities[found.labels >= 0], axis=1)
    seconds = sum(row["seconds"] for row in estimator.history_)
    return {
        "images": f"{len(labels):,}",
        "skipped": f"{len(found.labels) - len(labels):,}",
        "clusters in use": f"{np.count_nonzero(sizes):,} of {len(sizes):,}",
        "images in a cluster": f"{sizes.min():,} to {sizes.max():,}",
        "mean probability": f"{100 * surest.mean():.1f} %",
        "agreement of neighbours": f"{found.score:.2f}",
        "training": f"{len(estimator.history_)} epochs, {_duration(seconds)}",
        "size in pixels": _sizes(estimator, found),
    }


def list_limits(
    estimator: Any,
    found: Findings,
    *,
    n_mapped: int,
    n_typical: int,
    n_doubtful: int,
    side: int,
) -> list[str]:
    """Say what the page leaves out, and how to read what it shows."""
    n_images = np.count_nonzero(found.labels >= 0)
    space = "CLIP features" if estimator.clip is not None else "pixels"
    on_map = (
        f"The map shows all {n_images:,} images."
        if n_mapped == n_images
        else f"The map shows {n_mapped:,} of {n_images:,} images, drawn at random."
    )
    return [
        on_map,
        f"Of every cluster at most {n_typical} typical and {n_doubtful} doubtful "
        "members are shown: those of the highest and of the lowest probability.",
        f"Thumbnails have at most {side} pixels a side.",
        "Probabilities are the model's own. They order the members of a cluster; they "
        "are not calibrated, so 99 % does not mean that one in a hundred is wrong.",
        "Agreement of neighbours is the part of the labels that the 10 nearest images "
        f"by {space} confirm, beyond chance: 1 is best, 0 is chance.",
        "On the map (t-SNE) neighbours stay together. Distances between groups and "
        "the area of a group mean nothing.",
    ]


def _sizes(estimator: Any, found: Findings) -> str:
    """Say how large images are, and how large the network sees them."""
    height, width = found.source.image_size
    usual = "" if found.source.has_one_size else " (median)"
    own = f"{width} x {height}{usual}"
    if not estimator._sees_images:
        return f"{own}, seen as features only"
    seen_height, seen_width = estimator.image_size_
    return f"{own}, seen at {seen_width} x {seen_height}"


def _duration(seconds: float) -> str:
    """Write a duration in the largest unit that suits it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
