"""Typical and doubtful members of clusters, and ClusterGalleryDisplay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from sklearn.utils import check_array, check_consistent_length, check_scalar

from sklearn_mfavb.images import ImageSource, Reading, open_images
from sklearn_mfavb.inspection._findings import Findings, FindingsDisplay
from sklearn_mfavb.inspection._pictures import (
    SIDE,
    Groups,
    MosaicDisplay,
    paste_mosaic,
    read_thumbnails,
    row_top,
)

# Probabilities are compared in whole percents: a mixture gives most images nearly 1,
# and which of 0.99998 and 0.99997 is larger says nothing about the image.
_DECIMALS = 2

check_rows = partial(
    check_array, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
)


@dataclass(frozen=True)
class ClusterMembers:
    """The members of a cluster that are worth a look.

    `cluster` has `n_images` members, whose mean probability is `confidence` (NaN
    without any). `typical` are the rows of its likeliest members, likeliest first, and
    `doubtful` those of its least likely ones, least likely first.
    """

    cluster: int
    n_images: int
    confidence: float
    typical: NDArray[np.int64]
    doubtful: NDArray[np.int64]

    @property
    def shown(self) -> list[int]:
        """Rows of all of them."""
        return [*self.typical.tolist(), *self.doubtful.tolist()]


def rank_members(
    probabilities: ArrayLike,
    embedding: ArrayLike | None = None,
    *,
    n_typical: int = 8,
    n_doubtful: int = 8,
) -> list[ClusterMembers]:
    """Find typical and doubtful members of every cluster, empty ones included.

    An image belongs to its likeliest cluster. Members are ordered by that probability
    in whole percents, and where it is equal by the distance from the center of the
    cluster, the mean of its members: the first are typical, the last doubtful.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_clusters)
        Probability of each cluster. Rows of NaN (files that were skipped) belong to
        none.
    embedding : array-like of shape (n_samples, embed_dim), default=None
        None orders equal percents by the exact probability.
    n_typical, n_doubtful : int, default=8
        Members of either kind; a small cluster has fewer, typical ones first.

    Examples
    --------
    >>> from sklearn_mfavb.inspection import rank_members
    >>> first, second = rank_members(
    ...     [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]], n_typical=2, n_doubtful=1
    ... )
    >>> first.typical.tolist(), first.doubtful.tolist(), second.typical.tolist()
    ([0, 2], [1], [3])
    """
    check_scalar(n_typical, "n_typical", Integral, min_val=0)
    check_scalar(n_doubtful, "n_doubtful", Integral, min_val=0)
    rows = check_rows(probabilities, input_name="probabilities")
    points = rows
    if embedding is not None:
        points = check_rows(embedding, input_name="embedding")
    check_consistent_length(rows, points)
    labels = np.where(np.isnan(rows).any(axis=1), -1, rows.argmax(axis=1))
    found = []
    for cluster in range(rows.shape[1]):
        members = np.flatnonzero(labels == cluster)
        probability = rows[members, cluster]
        order = np.argsort(-probability, kind="stable")
        if embedding is not None and len(members):
            from_center = points[members] - points[members].mean(axis=0)
            distance = np.linalg.norm(from_center, axis=1)
            order = np.lexsort((distance, -probability.round(_DECIMALS)))
        typical, others = np.split(members[order], [n_typical])
        confidence = float(probability.mean()) if len(members) else np.nan
        shown = typical, others[::-1][:n_doubtful]
        found.append(ClusterMembers(cluster, len(members), confidence, *shown))
    return found


_CAPTION_WIDTH = 150


@dataclass(eq=False, repr=False)
class ClusterGalleryDisplay(MosaicDisplay, FindingsDisplay):
    """Typical and doubtful members of every cluster, one row of thumbnails each.

    Use `from_estimator`, `from_findings` or `from_predictions` to create one.

    Parameters
    ----------
    members : sequence of ClusterMembers
        The clusters, and those of their members that are drawn; see
        :func:`rank_members`.
    thumbnails : mapping of int to PIL.Image.Image
        The picture of every row that `members` names.

    Attributes
    ----------
    image_, ax_, figure_ : matplotlib AxesImage, Axes and Figure

    Examples
    --------
    >>> from PIL import Image
    >>> from sklearn_mfavb.inspection import ClusterGalleryDisplay, rank_members
    >>> members = rank_members([[0.9, 0.1], [0.2, 0.8]], n_typical=2, n_doubtful=0)
    >>> dots = {0: Image.new("L", (8, 8)), 1: Image.new("L", (8, 8), "white")}
    >>> ClusterGalleryDisplay(members, dots).to_image(side=32).size
    (190, 76)
    """

    members: Sequence[ClusterMembers]
    thumbnails: Mapping[int, Image.Image]

    @classmethod
    def from_findings(cls, found: Findings, *, ax: Any = None, **numbers: int) -> Self:
        """Draw what :func:`gather_findings` found; options as in `from_predictions`."""
        members = rank_members(
            found.probabilities_of_members, found.embedding, **numbers
        )
        return cls._from_members(members, found.source).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        probabilities: ArrayLike,
        *,
        embedding: ArrayLike | None = None,
        ax: Any = None,
        **numbers: int,
    ) -> Self:
        """Draw the members of clusters that any method has found in images `X`.

        Options are those of :func:`rank_members` and of `plot`.
        """
        # Files that the method skipped must not be in the way of the others.
        source = open_images(X, reading=Reading(on_error="skip"))
        check_consistent_length(source, probabilities)
        members = rank_members(probabilities, embedding, **numbers)
        return cls._from_members(members, source).plot(ax)

    @classmethod
    def _from_members(cls, members: list[ClusterMembers], source: ImageSource) -> Self:
        """Read the pictures of the members."""
        rows = [row for each in members for row in each.shown]
        return cls(members, read_thumbnails(source, rows, side=SIDE))

    def plot(self, ax: Any = None) -> Self:
        """Draw all pictures on the matplotlib Axes `ax`; None makes a figure."""
        return self._plot_mosaic(self._groups(), self._row_names(), ax)

    def to_image(self, *, side: int = 48) -> Image.Image:
        """Draw the same without matplotlib, with thumbnails of `side` pixels."""
        mosaic, _ = paste_mosaic(self._groups(), side)
        size = _CAPTION_WIDTH + mosaic.width, mosaic.height
        sheet = Image.new("RGB", size, "white")
        sheet.paste(mosaic, (_CAPTION_WIDTH, 0))
        draw = ImageDraw.Draw(sheet)
        for row, name in enumerate(self._row_names()):
            draw.multiline_text((10, row_top(row, side) + side // 4), name, "black")
        return sheet

    def _groups(self) -> Groups:
        """Return the thumbnails of every cluster."""
        return {
            kind: [
                [self.thumbnails[row] for row in getattr(each, kind).tolist()]
                for each in self.members
            ]
            for kind in ("typical", "doubtful")
        }

    def _row_names(self) -> list[str]:
        """Return number and size of every cluster."""
        return [
            f"cluster {each.cluster}\n{each.n_images:,} images" for each in self.members
        ]
