"""Pictures of clusters."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_LABEL_WIDTH = 150
_MARGIN = 4


def cluster_sheet(
    images: NDArray[np.uint8],
    probabilities: NDArray,
    *,
    n_members: int = 16,
    side: int = 48,
) -> Image.Image:
    """Draw the most typical members of every cluster, one row per cluster.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n_samples, height, width[, 3])
        The pictures.
    probabilities : ndarray of shape (n_samples, n_clusters)
        How likely each cluster is for each image; an image belongs to its likeliest,
        and is the more typical the likelier it is.
    n_members : int, default=16
        Members drawn of each cluster.
    side : int, default=48
        Side of a drawn member in pixels.

    Returns
    -------
    PIL.Image.Image

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.pictures import cluster_sheet
    >>> sheet = cluster_sheet(np.zeros((6, 8, 8), np.uint8), np.eye(2)[[0, 1] * 3])
    >>> sheet.size
    (986, 108)
    """
    labels = probabilities.argmax(axis=1)
    n_clusters = probabilities.shape[1]
    step = side + _MARGIN
    sheet = Image.new(
        "RGB",
        (_LABEL_WIDTH + n_members * step + _MARGIN, n_clusters * step + _MARGIN),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for cluster in range(n_clusters):
        top = _MARGIN + cluster * step
        members = np.flatnonzero(labels == cluster)
        caption = f"cluster {cluster}\n{len(members)} images"
        draw.multiline_text((10, top + side // 4), caption, fill="black")
        typical = members[np.argsort(-probabilities[members, cluster], kind="stable")]
        for column, member in enumerate(typical[:n_members]):
            tile = Image.fromarray(images[member]).convert("RGB")
            tile = tile.resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(tile, (_LABEL_WIDTH + column * step, top))
    return sheet
