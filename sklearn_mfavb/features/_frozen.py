"""Frozen encoders as an estimator holds them: transformer, mean and weight."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.utils import check_array
from torch import Tensor

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors

Rows = NDArray[np.float32]

PRECOMPUTED = "precomputed"

# Set with the accuracy on RSSCN7 in view, of two weights tried. Features of an
# EfficientNet beside those of CLIP there: 0.833 ACC at equal weight (one seed), 0.881
# at half of it (three seeds); CLIP alone has 0.868.
OTHERS = 0.5
_MOST_ROWS = 5000
_N_NEIGHBORS = 10


def weigh_encoders(blocks: list[NDArray[np.float32]], n_clusters: int) -> list[float]:
    """Give one encoder the weight 1 and the others half of it.

    The one is the encoder whose clusters the others confirm most: k-means labels its
    features, and `neighbor_agreement` compares the labels of nearest neighbors in the
    features of the others. A weak encoder then adds what it knows and does little harm.
    """
    if len(blocks) == 1:
        return [1.0]
    readable = np.flatnonzero(np.isfinite(blocks[0][:, 0]))
    spread = np.linspace(0, len(readable) - 1, min(_MOST_ROWS, len(readable)))
    sample = readable[spread.astype(np.int64)]
    n_clusters = min(n_clusters, len(sample))
    rows = [block[sample] for block in blocks]
    neighbors = [nearest_neighbors(r, _N_NEIGHBORS, metric="cosine") for r in rows]
    confirmed = []
    for index, mine in enumerate(rows):
        kmeans = KMeans(n_clusters, n_init=3, random_state=0)  # the same for every fit
        labels = kmeans.fit_predict(mine)
        others = neighbors[:index] + neighbors[index + 1 :]
        confirmed.append(np.mean([neighbor_agreement(labels, each) for each in others]))
    best = int(np.argmax(confirmed))
    return [1.0 if index == best else OTHERS for index in range(len(blocks))]


@dataclass
class FrozenEncoder:
    """An encoder of images, and the mean of its features on the training images.

    `transformer` is a fitted transformer of images, or None if the user passes
    features, and `weight` how much the features count beside those of other encoders.
    """

    name: str
    transformer: Any | None
    mean: Rows = field(repr=False)
    weight: float = 1.0

    @property
    def feature_dim(self) -> int:
        """Number of features."""
        return len(self.mean)

    def scale(self, rows: Rows) -> Rows:
        """Center unit vectors, and bring entries to a mean square of ``weight**2``."""
        length = np.float32(self.weight * np.sqrt(rows.shape[1]))
        return _unit_rows(_unit_rows(rows) - self.mean) * length

    def embed(self, images: Tensor) -> Rows:
        """Embed images in [0, 1] with a `CLIPFeatures`, and scale the features."""
        transformer: Any = self.transformer
        return self.scale(transformer.embed(images).cpu().numpy())


def is_precomputed(encoder: Any) -> bool:
    """Whether features are passed by the user."""
    return isinstance(encoder, str) and encoder == PRECOMPUTED


def fit_encoders(
    encoder: Any,
    X: Any,
    source: ImageSource | None,
    features: Any,
    *,
    n_clusters: int,
    device: Any = "auto",
    verbose: int = 0,
) -> tuple[list[FrozenEncoder], Rows | None]:
    """Embed the training images with every encoder.

    `encoder` is the parameter of an estimator; `source` are the images `X`, opened, and
    `n_clusters` serves to weigh several encoders. `device` and `verbose` are for
    encoders given by name.

    Returns
    -------
    encoders : list of FrozenEncoder
    rows : ndarray of float32 of shape (n_samples, n_features) or None
        Scaled features of all encoders side by side, NaN for unreadable images; None
        without encoders.
    """
    if encoder is None:
        _check_inputs(encoder, source, features)
        return [], None
    if is_precomputed(encoder):
        arrays = _check_features(features, source)
        encoders = [_frozen(name, None, rows) for name, rows in arrays.items()]
        return encoders, _weigh(encoders, list(arrays.values()), n_clusters)
    _check_inputs(encoder, source, features)
    several = list(encoder) if isinstance(encoder, list | tuple) else [encoder]
    if not several:
        raise ValueError("encoder is an empty list: set encoder=None for pixels alone.")
    encoders, blocks = [], []
    for each in several:
        transformer = _as_transformer(each, device, verbose)
        rows = _transform(transformer, X, source, fit=True)
        name = str(getattr(transformer, "model", type(transformer).__name__))
        encoders.append(_frozen(name, transformer, rows))
        blocks.append(rows)
    return encoders, _weigh(encoders, blocks, n_clusters)


def apply_encoders(
    encoders: Sequence[FrozenEncoder], X: Any, source: ImageSource | None, features: Any
) -> Rows | None:
    """Embed new images with encoders that were fitted; see `fit_encoders`."""
    if not encoders:
        _check_inputs(None, source, features)
        return None
    if encoders[0].transformer is None:
        dims = {each.name: each.feature_dim for each in encoders}
        arrays = _check_features(features, source, dims)
        return _side_by_side(encoders, list(arrays.values()))
    _check_inputs("the encoder of the fit", source, features)
    blocks = [_transform(e.transformer, X, source, fit=False) for e in encoders]
    return _side_by_side(encoders, blocks)


def _frozen(name: str, transformer: Any | None, rows: Rows) -> FrozenEncoder:
    """Take the mean of the features of the training images."""
    mean: Any = np.nanmean(_unit_rows(rows), axis=0, dtype=np.float64)
    return FrozenEncoder(name, transformer, mean.astype(np.float32))


def _as_transformer(encoder: Any, device: Any, verbose: int) -> Any:
    """Make the transformer that a name stands for, or clone the user's."""
    if isinstance(encoder, str) and not is_precomputed(encoder):
        return CLIPFeatures(encoder, device=device, verbose=int(verbose > 0))
    if hasattr(encoder, "fit_transform") and hasattr(encoder, "transform"):
        return clone(encoder)
    raise TypeError(
        "encoder must be None, 'precomputed', the name of a model, a transformer of "
        f"images such as CLIPFeatures, or a list of those, got {encoder!r}."
    )


def _transform(transformer: Any, X: Any, source: Any, *, fit: bool) -> Rows:
    """Embed images: ours from the open source, others from what the user passed."""
    if isinstance(transformer, CLIPFeatures):
        return transformer.extract(source)
    rows = transformer.fit_transform(X) if fit else transformer.transform(X)
    rows = check_array(rows, dtype=np.float32, ensure_all_finite=False)
    if len(rows) != len(source):
        raise ValueError(
            f"The encoder {transformer!r} returned {len(rows)} rows for {len(source)} "
            "images."
        )
    return rows


def _weigh(encoders: list[FrozenEncoder], blocks: list[Rows], n_clusters: int) -> Rows:
    """Set the weight of every encoder, and put their features side by side."""
    scaled = [each.scale(rows) for each, rows in zip(encoders, blocks, strict=True)]
    weights = weigh_encoders(scaled, n_clusters)
    for each, rows, weight in zip(encoders, scaled, weights, strict=True):
        each.weight = weight
        rows *= weight
    return _concatenate(scaled)


def _side_by_side(encoders: Sequence[FrozenEncoder], blocks: Iterable[Rows]) -> Rows:
    """Scale the features of every encoder, and put them side by side."""
    return _concatenate(
        [each.scale(rows) for each, rows in zip(encoders, blocks, strict=True)]
    )


def _concatenate(blocks: list[Rows]) -> Rows:
    """Put blocks of columns side by side, without a copy of a single one."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def _check_inputs(encoder: Any, source: ImageSource | None, features: Any) -> None:
    """Raise if features were passed that nobody uses, or nothing to encode."""
    if features is not None:
        raise ValueError(
            f"features were passed, but encoder={encoder!r} does not use them: set "
            "encoder='precomputed'."
        )
    if encoder is not None and source is None:
        raise ValueError("An encoder needs images, but X=None was passed.")


def _check_features(
    features: Any, source: ImageSource | None, dims: dict[str, int] | None = None
) -> dict[str, Rows]:
    """Return the user's features by name as float32, or raise for what is wrong."""
    if features is None or (isinstance(features, Sequence | Mapping) and not features):
        raise ValueError(
            "encoder='precomputed' needs features: pass them as X, one row for each "
            "image, or beside the images as features=..., of shape (n_samples, "
            "n_features)."
        )
    named = {"features": features}
    if isinstance(features, Mapping):
        named = dict(features)
    # A list of rows of numbers is one array.
    elif isinstance(features, list | tuple) and np.ndim(features[0]) == 2:
        named = {f"features[{i}]": rows for i, rows in enumerate(features)}
    arrays = {name: _check_rows(name, rows, source) for name, rows in named.items()}
    sizes = {name: len(rows) for name, rows in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"features must have equal numbers of rows, got {sizes}.")
    if dims is None:
        return arrays
    found = {name: rows.shape[1] for name, rows in arrays.items()}
    if found != dims:
        raise ValueError(
            f"features are of {_describe(found)}, but those passed to fit were of "
            f"{_describe(dims)}: pass features of the same encoders, as in fit."
        )
    return {name: arrays[name] for name in dims}  # a dict may have another order


def _check_rows(name: str, features: Any, source: ImageSource | None) -> Rows:
    """Return one array of features as float32; rows of unreadable images become NaN."""
    if hasattr(features, "detach"):  # a tensor that requires gradients, or of a GPU
        features = features.detach().float().cpu()
    rows = check_array(
        features, dtype=np.float32, ensure_all_finite=False, input_name=name
    )
    if source is not None and len(rows) != len(source):
        raise ValueError(
            f"{name} has {len(rows)} rows, but there are {len(source)} images: there "
            "must be one row for each image, in the same order."
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
    first = next((i for i in bad if source is None or _can_be_read(source, i)), None)
    if first is not None:
        raise ValueError(
            f"{name} has NaN or infinity in {len(bad)} rows, the first of them "
            f"{first}: features must be finite."
        )
    if source is not None and source.unreadable:
        rows = rows.copy()
        rows[list(source.unreadable)] = np.nan
    return rows


def _can_be_read(source: ImageSource, index: int) -> bool:
    """Whether an image without features is there: only now is it decoded."""
    if index not in source.unreadable:
        source.read([index], source.image_size)
    return index not in source.unreadable


def _describe(dims: dict[str, int]) -> str:
    """List the numbers of columns by name."""
    return ", ".join(f"{n} columns ({name})" for name, n in dims.items())


def _unit_rows(rows: Rows) -> Rows:
    """Bring rows to unit length; zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)
