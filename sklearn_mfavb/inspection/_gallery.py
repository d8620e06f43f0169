"""ClusterGalleryDisplay: the members of every cluster as thumbnails."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from sklearn_mfavb.images import ImageSource, check_images
from sklearn_mfavb.inspection._findings import gather_findings
from sklearn_mfavb.inspection._members import ClusterMembers, rank_members
from sklearn_mfavb.inspection._mosaic import Mosaic, draw_mosaic, lay_mosaic
from sklearn_mfavb.inspection._thumbnails import read_thumbnails

_SIDE = 64  # pixels of a thumbnail
_CAPTION_WIDTH = 150


class ClusterGalleryDisplay:
    """Typical and doubtful members of every cluster, one row of thumbnails each.

    Typical members are those of which the model is surest, doubtful ones those of which
    it is least sure: see :func:`rank_members`.

    It is recommended to use `from_estimator` or `from_predictions` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    members : sequence of ClusterMembers
        The clusters that are drawn, and which of their members.
    thumbnails : mapping of int to PIL.Image.Image
        The picture of every row that `members` names.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        All thumbnails.
    ax_ : matplotlib Axes
        Axes with the gallery.
    figure_ : matplotlib Figure
        Figure that contains it.

    See Also
    --------
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
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        clip_features: ArrayLike | None = None,
        n_typical: int = 8,
        n_doubtful: int = 8,
        ax: Any = None,
    ) -> Self:
        """Draw the members that a fitted estimator finds among images.

        Parameters
        ----------
        estimator : BaseImageClusterer
            A fitted estimator of this package.
        X : array-like, path or sequence
            Images, in any of the forms that the estimator accepts.
        clip_features : array-like of shape (n_samples, feature_dim), default=None
            Features of the images, for ``clip="precomputed"`` only.
        n_typical, n_doubtful : int, default=8
            How many members of either kind to draw of a cluster.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        ClusterGalleryDisplay
        """
        found = gather_findings(estimator, X, clip_features=clip_features)
        members = rank_members(
            found.probabilities,
            found.embedding,
            n_typical=n_typical,
            n_doubtful=n_doubtful,
        )
        return cls(members, _read_members(found.source, members)).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        probabilities: ArrayLike,
        *,
        embedding: ArrayLike | None = None,
        n_typical: int = 8,
        n_doubtful: int = 8,
        ax: Any = None,
    ) -> Self:
        """Draw the members of clusters that any method has found.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that the estimators accept.
        probabilities : array-like of shape (n_samples, n_clusters)
            How likely each cluster is for each image; NaN for files that were skipped.
        embedding : array-like of shape (n_samples, embed_dim), default=None
            Where the images lie; of equally likely members, those near the centre of
            the cluster are the more typical.
        n_typical, n_doubtful : int, default=8
            How many members of either kind to draw of a cluster.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        ClusterGalleryDisplay

        Raises
        ------
        ValueError
            If there is not one row of `probabilities` for each image.
        """
        # Files that the method skipped must not be in the way of the others.
        source = check_images(X, on_error="skip")
        n_rows = len(np.asarray(probabilities))
        if n_rows != len(source):
            raise ValueError(
                f"probabilities has {n_rows} rows, but there are {len(source)} images: "
                "there must be one row for each image, in the same order."
            )
        members = rank_members(
            probabilities, embedding, n_typical=n_typical, n_doubtful=n_doubtful
        )
        return cls(members, _read_members(source, members)).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw one row of thumbnails for each cluster.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        ClusterGalleryDisplay
            The object itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.image_, self.ax_ = draw_mosaic(
            self._lay_mosaic(_SIDE),
            row_names=[_caption(members) for members in self.members],
            display=type(self).__name__,
            ax=ax,
        )
        self.figure_ = self.ax_.figure
        return self

    def to_image(self, *, side: int = 48) -> Image.Image:
        """Draw the same without matplotlib.

        Parameters
        ----------
        side : int, default=48
            Side of a thumbnail in pixels.

        Returns
        -------
        PIL.Image.Image
        """
        mosaic = self._lay_mosaic(side)
        width, height = mosaic.picture.size
        sheet = Image.new("RGB", (_CAPTION_WIDTH + width, height), "white")
        sheet.paste(mosaic.picture, (_CAPTION_WIDTH, 0))
        draw = ImageDraw.Draw(sheet)
        for top, members in zip(mosaic.tops, self.members, strict=True):
            draw.multiline_text((10, top + side // 4), _caption(members), fill="black")
        return sheet

    def _lay_mosaic(self, side: int) -> Mosaic:
        """Lay out the thumbnails, a row for each cluster."""
        groups = {
            name: [
                [self.thumbnails[index] for index in getattr(members, name).tolist()]
                for members in self.members
            ]
            for name in ("typical", "doubtful")
        }
        return lay_mosaic(groups, side=side)


def _read_members(
    source: ImageSource, clusters: Sequence[ClusterMembers]
) -> dict[int, Image.Image]:
    """Read the pictures of all members that are drawn."""
    wanted = [
        int(index)
        for members in clusters
        for index in (*members.typical, *members.doubtful)
    ]
    return read_thumbnails(source, wanted, side=_SIDE)


def _caption(members: ClusterMembers) -> str:
    """Name a cluster and say how large it is."""
    return f"cluster {members.cluster}\n{members.n_images:,} images"
