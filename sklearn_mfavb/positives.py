"""Positives: the images that an image should agree with."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, cast

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback
from torch import Tensor

from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.neighbors import (
    Method,
    Metric,
    Table,
    nearest_neighbors,
    pixel_features,
)
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.parameters import ParameterGroup
from sklearn_mfavb.training import Runtime, apply_to_views, embed_images
from sklearn_mfavb.views import ViewShape

__all__ = ["NeighborSearch", "Neighbors", "resolve_positives"]

_N_NEIGHBORS, _N_FEATURE_NEIGHBORS = 10, 5


class Neighbors(ParameterGroup):
    """Nearest neighbors as positives: an image should agree with images like it.

    Parameters
    ----------
    n_neighbors : int or "auto", default="auto"
        Neighbors of each image; at most half of ``n_samples / n_clusters`` are used.
        ``"auto"``: 5 by features, else 10.
    space : {"auto", "features", "pixels", "embedding"}, default="auto"
        Where neighbors are found. ``"features"``: by the angle between features of the
        encoders. ``"pixels"``: by pixels, averaged down to 16 a side. ``"embedding"``:
        by the network's own embedding, again every `refresh` epochs; before the first
        search positives are augmentations. ``"auto"``: features if there are any, else
        pixels.
    refresh : int, default=5
        Epochs between two searches in the embedding.
    method : {"auto", "exact", "approximate"}, default="auto"
        Whether every pair of images is compared, or few by an index of faiss, which
        ``pip install sklearn-mfavb[large]`` installs. ``"auto"``: exact up to 50,000
        images; see `sklearn_mfavb.neighbors.nearest_neighbors`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "space": [StrOptions({"auto", "features", "pixels", "embedding"})],
        "refresh": [Interval(Integral, 1, None, closed="left")],
        "method": [StrOptions({"auto", "exact", "approximate"})],
    }

    def __init__(
        self,
        n_neighbors: int | Literal["auto"] = "auto",
        *,
        space: Literal["auto", "features", "pixels", "embedding"] = "auto",
        refresh: int = 5,
        method: Method = "auto",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.space = space
        self.refresh = refresh
        self.method = method

    @classmethod
    def of(cls, positives: Any) -> "Neighbors":
        """Return neighbors in place of a short form, all at their defaults."""
        if positives not in ("auto", "neighbors"):
            raise ValueError(
                f"positives={positives!r} has no parameters: set it to 'neighbors' "
                "or to Neighbors(...) first."
            )
        return cls()


def resolve_positives(positives: Any, dataset: ImageDataset) -> Neighbors | None:
    """Return how neighbors are found, or None if positives are augmentations.

    ``"auto"``: neighbors where features or gray pixels tell which images are alike.
    """
    if isinstance(positives, Neighbors):
        return positives
    if positives == "auto":
        is_gray = dataset.source is not None and dataset.source.n_channels == 1
        positives = "neighbors" if dataset.features is not None or is_gray else None
    return Neighbors() if positives == "neighbors" else None


class NeighborSearch:
    """Search of the neighbors of every image of a data set.

    Parameters
    ----------
    neighbors : Neighbors or None
        Where, and for how many; None if positives are augmentations.
    dataset : ImageDataset
        The images; its `neighbors` are set by `run`.
    shape : ViewShape
        What views consist of.
    network : ClusteringNetwork
        Embeds images, for the space ``"embedding"``.
    n_clusters : int
        Number of clusters.
    runtime : Runtime
        Device, arithmetic and batch size.

    Raises
    ------
    ValueError
        If the space needs features or pixels that there are not.
    """

    def __init__(
        self,
        neighbors: Neighbors | None,
        dataset: ImageDataset,
        *,
        shape: ViewShape,
        network: ClusteringNetwork,
        n_clusters: int,
        runtime: Runtime,
    ) -> None:
        self.dataset = dataset
        self.shape = shape
        self.network = network
        self.runtime = runtime
        self.space: str | None = None
        if neighbors is None or len(dataset) == 1:
            return
        self.space = _resolve_space(neighbors.space, shape)
        wanted = neighbors.n_neighbors
        if wanted == "auto":
            wanted = _N_FEATURE_NEIGHBORS if self.space == "features" else _N_NEIGHBORS
        # Within half of a mean cluster most neighbors share the cluster.
        self.n_neighbors = max(1, min(wanted, len(dataset) // (2 * n_clusters)))
        self.refresh = neighbors.refresh
        self.method = neighbors.method

    def prepare(self) -> None:
        """Search before training, unless the network has to learn something first."""
        if self.space in ("features", "pixels"):
            self.run()

    def callbacks(self) -> tuple[tuple[str, Callback], ...]:
        """Return the callbacks that search again while the network learns."""
        if self.space != "embedding":
            return ()
        return (("neighbors", _Refresh(self.run, self.refresh)),)

    def run(self) -> None:
        """Search now."""
        if self.space is not None:
            rows, metric = _SPACES[self.space](self)
            self.dataset.neighbors = nearest_neighbors(
                rows,
                self.n_neighbors,
                metric=metric,
                method=self.method,
                device=self.runtime.device,
            )


def _resolve_space(space: str, shape: ViewShape) -> str:
    """Replace ``"auto"``, and raise for a space that there is not."""
    if space == "auto":
        return "features" if shape.feature_dims else "pixels"
    if space == "features" and not shape.feature_dims:
        raise ValueError(
            "space='features' finds neighbors by features, but encoder=None: set "
            "encoder='ViT-B-32', for example, or another space."
        )
    if space == "pixels" and shape.image_size is None:
        raise ValueError(
            "space='pixels' finds neighbors by pixels, which are left out: set "
            "use_pixels=True, or another space."
        )
    return space


class _Refresh(Callback):
    """Search neighbors again every few epochs; the first search comes after as many."""

    def __init__(self, search: Callable[[], None], every: int) -> None:
        self.search = search
        self.every = every

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Search, if it is time."""
        n_done = len(net.history) - 1  # the epoch that begins has a row already
        if n_done > 0 and n_done % self.every == 0:
            self.search()


@dataclass(frozen=True)
class _EqualSizes:
    """Features that count by the weight of their encoder, not by their number."""

    features: Table
    dims: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.features.shape

    def __getitem__(self, index: Any) -> Tensor:
        """Read some rows."""
        parts = torch.as_tensor(self.features[index]).split(self.dims, dim=1)
        return torch.cat([part / part.shape[1] ** 0.5 for part in parts], dim=1)


def _feature_rows(search: NeighborSearch) -> tuple[Table, Metric]:
    """Return features, read when they are needed."""
    features = cast(Table, search.dataset.features)
    return _EqualSizes(features, search.shape.feature_dims), "cosine"


def _pixel_rows(search: NeighborSearch) -> tuple[Table, Metric]:
    """Return pixels, averaged down to 16 a side."""
    rows = apply_to_views(
        lambda view: pixel_features(cast(Tensor, view.images)),
        search.dataset,
        search.runtime,
    )
    return rows, "euclidean"


def _embedding_rows(search: NeighborSearch) -> tuple[Table, Metric]:
    """Return embeddings by the network as it is."""
    return embed_images(search.network, search.dataset, search.runtime), "cosine"


_SPACES: dict[str, Callable[[NeighborSearch], tuple[Table, Metric]]] = {
    "embedding": _embedding_rows,
    "features": _feature_rows,
    "pixels": _pixel_rows,
}
