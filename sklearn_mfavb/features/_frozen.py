"""Frozen encoders as an estimator holds them: a transformer and its statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_array
from torch import Tensor

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._importance import weigh_encoders
from sklearn_mfavb.images import ImageSource

Rows = NDArray[np.float32]

PRECOMPUTED = "precomputed"


@dataclass
class FrozenEncoder:
    """An encoder of images, and the mean of its features on the training images.

    Attributes
    ----------
    name : str
        Name in messages.
    transformer : object or None
        Fitted scikit-learn transformer of images; None if features are passed.
    mean : ndarray of float32 of shape (feature_dim,)
        Mean of the normalized features of the training images.
    weight : float, default=1.0
        How much the features count beside those of other encoders.
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
        encoder = transformer.build_encoder()
        rows = encoder.embed(images, precision=transformer.precision)
        return self.scale(rows.cpu().numpy())


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

    Parameters
    ----------
    encoder : None, str, transformer or list of those
        The parameter of an estimator.
    X : object
        Images as the user passed them, for transformers other than `CLIPFeatures`.
    source : ImageSource or None
        The same images, opened; None if there are none.
    features : array-like, or list or dict of those
        Features of the images, for ``encoder="precomputed"``.
    n_clusters : int
        Number of clusters, by which several encoders are weighed.
    device : str or torch.device, default="auto"
        Where encoders that are given by name run.
    verbose : int, default=0
        Whether encoders that are given by name show a progress bar.

    Returns
    -------
    encoders : list of FrozenEncoder
        One for each encoder.
    rows : ndarray of float32 of shape (n_samples, n_features) or None
        Scaled features of all encoders side by side, NaN for unreadable images; None
        without encoders.

    Raises
    ------
    ValueError
        If features were passed and are not used, or are needed and were not passed.
    """
    if encoder is None:
        _refuse_features(encoder, features)
        return [], None
    if is_precomputed(encoder):
        arrays = _check_features(features, source)
        encoders = [_frozen(name, None, rows) for name, rows in arrays.items()]
        return encoders, _weigh(encoders, list(arrays.values()), n_clusters)
    _refuse_features(encoder, features)
    _require_images(source)
    several = list(encoder) if isinstance(encoder, list | tuple) else [encoder]
    if not several:
        raise ValueError("encoder is an empty list: set encoder=None for pixels alone.")
    encoders, blocks = [], []
    for each in several:
        transformer = _as_transformer(each, device, verbose)
        rows = _transform(transformer, X, source, fit=True)
        encoders.append(_frozen(_name(transformer), transformer, rows))
        blocks.append(rows)
    return encoders, _weigh(encoders, blocks, n_clusters)


def apply_encoders(
    encoders: Sequence[FrozenEncoder],
    X: Any,
    source: ImageSource | None,
    features: Any,
) -> Rows | None:
    """Embed new images with encoders that were fitted; see `fit_encoders`."""
    if not encoders:
        _refuse_features(None, features)
        return None
    if encoders[0].transformer is None:
        dims = {each.name: each.feature_dim for each in encoders}
        arrays = _check_features(features, source, dims)
        return _side_by_side(encoders, list(arrays.values()))
    _refuse_features("the encoder of the fit", features)
    _require_images(source)
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


def _name(transformer: Any) -> str:
    """Name an encoder for messages."""
    return str(getattr(transformer, "model", type(transformer).__name__))


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
    for each, weight in zip(encoders, weights, strict=True):
        each.weight = weight
    return _side_by_side(encoders, blocks)


def _side_by_side(encoders: Sequence[FrozenEncoder], blocks: Iterable[Rows]) -> Rows:
    """Scale the features of every encoder, and put them side by side."""
    scaled = [each.scale(rows) for each, rows in zip(encoders, blocks, strict=True)]
    return scaled[0] if len(scaled) == 1 else np.concatenate(scaled, axis=1)


def _refuse_features(encoder: Any, features: Any) -> None:
    """Raise if features were passed that nobody uses."""
    if features is not None:
        raise ValueError(
            f"features were passed, but encoder={encoder!r} does not use them: set "
            "encoder='precomputed'."
        )


def _require_images(source: ImageSource | None) -> None:
    """Raise if there is nothing to encode."""
    if source is None:
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
    arrays = {
        name: _check_rows(name, rows, source)
        for name, rows in _by_name(features).items()
    }
    if len({len(rows) for rows in arrays.values()}) > 1:
        sizes = {name: len(rows) for name, rows in arrays.items()}
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


def _by_name(features: Any) -> dict[str, Any]:
    """Name the arrays of features."""
    if isinstance(features, Mapping):
        return dict(features)
    # A list of rows of numbers is one array.
    if isinstance(features, list | tuple) and np.ndim(features[0]) == 2:
        return {f"features[{i}]": rows for i, rows in enumerate(features)}
    return {"features": features}


def _check_rows(name: str, features: Any, source: ImageSource | None) -> Rows:
    """Return one array of features as float32; rows of unreadable images become NaN."""
    if hasattr(features, "detach"):  # a tensor that requires gradients, or of a GPU
        features = features.detach().cpu()
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
