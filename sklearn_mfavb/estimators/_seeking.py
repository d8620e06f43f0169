"""The part of every estimator that says what an image must agree with."""

from dataclasses import field
from numbers import Integral
from typing import ClassVar, Literal

from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sklearn_mfavb.estimators._augmenting import ViewMaker
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._positives import (
    EmbeddingNeighbors,
    feature_neighbors,
    limit_neighbors,
    pixel_neighbors,
)
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.training import RefreshNeighbors

_NEIGHBORS, _CLIP_NEIGHBORS = 10, 5
_FIND_NEIGHBORS = {"clip": feature_neighbors, "pixels": pixel_neighbors}


@estimator
class NeighborSeeker(ViewMaker):
    """Parameters and methods that find the neighbours of images.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    positives : {"auto", "augmentation", "neighbors"}, default="auto"
        What an image must agree with: an augmentation of itself, or of one of its
        nearest neighbours. ``"auto"``: neighbours with `clip`, and for grey images and
        strips, where pixels tell likeness; else augmentations. With `clip`,
        augmentations of one image are too easy to tell from others: the feature gives
        them away.
    neighbor_space : {"auto", "clip", "pixels", "embedding"}, default="auto"
        Where neighbours are sought: by the angle between features, or by pixels
        (averaged down to 16 a side), once; or by the network's own embedding, again
        every `neighbor_refresh` epochs (before the first search, positives are
        augmentations). ``"auto"``: features if there are any, else pixels.
    n_neighbors : int or "auto", default="auto"
        Neighbours of each image; at most half of ``n_samples / n_clusters`` are used.
        ``"auto"``: 5 by features, else 10.
    neighbor_refresh : int, default=5
        Epochs between two searches in the embedding.
    """

    n_clusters: int = field(default=8, kw_only=False)
    positives: Literal["auto", "augmentation", "neighbors"] = "auto"
    neighbor_space: Literal["auto", "clip", "pixels", "embedding"] = "auto"
    n_neighbors: int | Literal["auto"] = "auto"
    neighbor_refresh: int = 5

    _parameter_constraints: ClassVar[dict] = {
        **ViewMaker._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "positives": [StrOptions({"auto", "augmentation", "neighbors"})],
        "neighbor_space": [StrOptions({"auto", "clip", "pixels", "embedding"})],
        "n_neighbors": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "neighbor_refresh": [Interval(Integral, 1, None, closed="left")],
    }

    def _arrange_positives(self, dataset: ImageDataset) -> list[tuple[str, Callback]]:
        """Seek neighbours now by features or pixels, or while training."""
        if self._resolve_positives(dataset) == "augmentation" or len(dataset) == 1:
            return []
        space = self._resolve_neighbor_space(dataset)
        wanted = self.n_neighbors
        if wanted == "auto":
            wanted = _CLIP_NEIGHBORS if space == "clip" else _NEIGHBORS
        n_neighbors = limit_neighbors(wanted, len(dataset), self.n_clusters)
        if space == "embedding":
            batch_size = self._resolve_batch_size(len(dataset))
            find = EmbeddingNeighbors(n_neighbors, batch_size, self._sees_images)
            return [("neighbors", RefreshNeighbors(find, self.neighbor_refresh))]
        dataset.neighbors = _FIND_NEIGHBORS[space](dataset, n_neighbors)
        return []

    def _resolve_positives(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: pixels show neighbours of grey images, not of photos."""
        if self.positives != "auto":
            return self.positives
        tells_likeness = dataset.features is not None or dataset.source.n_channels == 1
        return "neighbors" if tells_likeness else "augmentation"

    def _resolve_neighbor_space(self, dataset: ImageDataset) -> str:
        """Replace ``"auto"``: features tell more than pixels."""
        if self.neighbor_space == "clip" and dataset.features is None:
            raise ValueError(
                "neighbor_space='clip' seeks neighbours by features, but clip=None: "
                "name a model, such as clip='ViT-B-32', or another space."
            )
        if self.neighbor_space != "auto":
            return self.neighbor_space
        return "pixels" if dataset.features is None else "clip"
