"""Images that deserve a look: doubtful, strange, copied, dark or blank ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from sklearn_mfavb.inspection import (
    Findings,
    find_exact_copies,
    find_near_duplicates,
)

_MOST_SHOWN = 64  # doubtful images, strangers, groups of copies
_DARK = 0.08  # of white, the mean of a very dark picture
_BLANK = 0.02  # of white, the standard deviation of a blank one


@dataclass(frozen=True)
class Check:
    """Groups of images, by position on the page, that are worth a look.

    Single images are groups of one. `n_found` counts what was found, of which the first
    are in `groups`; it is None for the first of all images in some order.
    """

    name: str
    hint: str
    groups: list[list[int]]
    n_found: int | None


def rank_doubtful(found: Findings) -> NDArray[np.int64]:
    """Return the rows of the images of lowest probability, lowest first."""
    surest = found.probabilities_of_members.max(axis=1)
    n_shown = min(_n_ranked(surest), np.count_nonzero(np.isfinite(surest)))
    return np.argsort(surest, kind="stable")[:n_shown]


def rank_strange(estimator: Any, found: Findings) -> NDArray[np.int64]:
    """Return the rows of outliers, then of the images that are least normal."""
    inputs = found.inputs
    scores = inputs.expand(
        estimator.model_.score_samples(
            inputs, estimator._runtime(), found.embedding[inputs.indices]
        )
    )
    order = np.lexsort((scores, ~found.is_outlier))
    return order[np.isfinite(scores[order])][: _n_ranked(scores)]


def _n_ranked(values: NDArray[np.floating]) -> int:
    """Return how many are shown of images in an order: one in twenty of few images."""
    return min(_MOST_SHOWN, max(8, len(values) // 20))


def list_checks(
    doubtful: Sequence[int],
    strange: Sequence[int],
    pictures: Sequence[Image.Image],
    *,
    paths: Sequence[str] | None,
    features: NDArray[np.float32] | None,
) -> list[Check]:
    """Return the checks, all by position among the images of the page.

    `pictures` are thumbnails, `paths` their files, and `features` those of an encoder.
    """
    near = find_near_duplicates(pictures, features)
    exact = find_exact_copies(pictures, paths)
    same = set(map(frozenset, exact))
    return [
        Check(
            "Doubtful",
            "Lowest probability of their cluster first.",
            [[position] for position in doubtful],
            None,
        ),
        Check(
            "Strangers",
            "Outliers first, then the images that are least like typical ones.",
            [[position] for position in strange],
            None,
        ),
        _check(
            "Near-duplicates",
            "The same picture resized, saved anew or mirrored, by a perceptual hash, "
            "gray values and, if there is an encoder, features. Simple pictures may be "
            "as alike without being copies.",
            [group for group in near if frozenset(group) not in same],
        ),
        _check("Exact copies", "Images that are the same to the byte.", exact),
        _check(
            "Blank or dark",
            f"Mean brightness under {_DARK:.0%} of white, or standard deviation under "
            f"{_BLANK:.0%}.",
            [[i] for i, picture in enumerate(pictures) if _is_plain(picture)],
        ),
    ]


def _is_plain(picture: Image.Image) -> bool:
    """Whether a picture is blank or very dark."""
    gray = ImageStat.Stat(picture.convert("L"))
    return gray.mean[0] < 255 * _DARK or gray.stddev[0] < 255 * _BLANK


def _check(name: str, hint: str, groups: list[list[int]]) -> Check:
    """Show the largest of all groups."""
    largest = sorted(groups, key=len, reverse=True)
    return Check(name, hint, largest[:_MOST_SHOWN], len(groups))
