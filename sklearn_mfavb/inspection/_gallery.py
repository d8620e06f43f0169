"""ClusterGalleryDisplay: the members of every cluster as thumbnails."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike
from PIL import Image, ImageDraw
from sklearn.utils import check_consistent_length

from sklearn_mfavb.images import ImageSource, Reading, open_images
from sklearn_mfavb.inspection._display import FindingsDisplay
from sklearn_mfavb.inspection._findings import Findings
from sklearn_mfavb.inspection._members import ClusterMembers, rank_members
from sklearn_mfavb.inspection._pictures import (
    SIDE,
    Groups,
    MosaicDisplay,
    paste_mosaic,
    read_thumbnails,
    row_top,
)

_CAPTION_WIDTH = 150


class ClusterGalleryDisplay(MosaicDisplay, FindingsDisplay):
    """Typical and doubtful members of every cluster, one row of thumbnails each.

    Use `from_estimator`, `from_findings` or `from_predictions` to create one.

    Parameters
    ----------
    members : sequence of ClusterMembers
        The clusters, and those of their members that are drawn.
    thumbnails : mapping of int to PIL.Image.Image
        The picture of every row that `members` names.

    Attributes
    ----------
    image_, ax_, figure_ : matplotlib AxesImage, Axes and Figure

    See Also
    --------
    rank_members : Which members are typical, and which doubtful.
    sklearn_mfavb.report.write_report : The same and more as a page for a browser.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sklearn_mfavb.inspection import ClusterGalleryDisplay, rank_members
    >>> members = rank_members([[0.9, 0.1], [0.2, 0.8]], n_typical=2, n_doubtful=0)
    >>> dots = {0: Image.new("L", (8, 8)), 1: Image.new("L", (8, 8), "white")}
    >>> ClusterGalleryDisplay(members, dots).to_image(side=32).size
    (190, 76)
    """

    def __init__(
        self,
        members: Sequence[ClusterMembers],
        thumbnails: Mapping[int, Image.Image],
    ) -> None:
        self.members = members
        self.thumbnails = thumbnails

    @classmethod
    def from_findings(cls, found: Findings, *, ax: Any = None, **numbers: int) -> Self:
        """Draw what :func:`gather_findings` found; options as in `from_predictions`."""
        members = rank_members(found.probabilities, found.embedding, **numbers)
        return cls._from_members(found.source, members).plot(ax)

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
        """Draw the members of clusters that any method has found.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the estimators accept.
        probabilities, embedding, **numbers : As in :func:`rank_members`.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        """
        # Files that the method skipped must not be in the way of the others.
        source = open_images(X, reading=Reading(on_error="skip"))
        check_consistent_length(source, probabilities)
        members = rank_members(probabilities, embedding, **numbers)
        return cls._from_members(source, members).plot(ax)

    @classmethod
    def _from_members(
        cls, source: ImageSource, members: Sequence[ClusterMembers]
    ) -> Self:
        """Read the members that are drawn."""
        rows = [row for each in members for row in each.shown]
        return cls(members, read_thumbnails(source, rows, side=SIDE))

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
        rows = {
            "typical": [each.typical.tolist() for each in self.members],
            "doubtful": [each.doubtful.tolist() for each in self.members],
        }
        return {
            name: [[self.thumbnails[row] for row in members] for members in clusters]
            for name, clusters in rows.items()
        }

    def _row_names(self) -> list[str]:
        """Return number and size of every cluster."""
        return [
            f"cluster {each.cluster}\n{each.n_images:,} images" for each in self.members
        ]
