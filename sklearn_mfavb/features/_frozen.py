"""Encode images with frozen encoders, or check features that the user passes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.utils import check_array, check_consistent_length, gen_batches

from sklearn_mfavb.features._clip_features import CLIPFeatures
from sklearn_mfavb.features._table import FeatureTable, FrozenEncoder, unit_rows
from sklearn_mfavb.images import ImageSource
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors

Features = NDArray[np.floating]

# What features may be stored as; anything else becomes the first. They are read in
# float32, a block at a time.
FLOATS = [np.float32, np.float16, np.float64]
_BLOCK_ROWS = 4096
# Set with the accuracy on RSSCN7 in view, of two weights tried. Features of an
# EfficientNet beside those of CLIP there: 0.833 ACC at equal weight (one seed), 0.881
# at half of it (three seeds); CLIP alone has 0.868.
OTHERS = 0.5
_MOST_ROWS = 5000
_USUAL_N_CLUSTERS = 10  # if their number is not known
_N_NEIGHBORS = 10


def weigh_encoders(
    encoders: Sequence[FrozenEncoder],
    blocks: Sequence[Features],
    n_clusters: int | None,
) -> list[float]:
    """Give the encoder of one block the weight 1 and the others half of it.

    The one is the encoder whose clusters the others confirm most: k-means labels its
    features, and `neighbor_agreement` compares the labels of nearest neighbors in the
    features of the others. A weak encoder then adds what it knows and does little harm.
    """
    if len(blocks) < 2:
        return [1.0] * len(blocks)
    finite = [np.isfinite(block[:, 0]) for block in blocks]
    readable = np.flatnonzero(np.all(finite, axis=0))
    spread = np.linspace(0, len(readable) - 1, min(_MOST_ROWS, len(readable)))
    sample = readable[spread.astype(np.int64)]
    n_clusters = min(n_clusters or _USUAL_N_CLUSTERS, len(sample))
    rows = [e.scale(block[sample]) for e, block in zip(encoders, blocks, strict=True)]
    neighbors = [nearest_neighbors(r, _N_NEIGHBORS, metric="cosine") for r in rows]
    confirmed = []
    for index, mine in enumerate(rows):
        kmeans = KMeans(n_clusters, n_init=3, random_state=0)  # the same for every fit
        labels = kmeans.fit_predict(mine)
        others = neighbors[:index] + neighbors[index + 1 :]
        confirmed.append(np.mean([neighbor_agreement(labels, each) for each in others]))
    best = int(np.argmax(confirmed))
    return [1.0 if index == best else OTHERS for index in range(len(blocks))]


def is_precomputed(encoder: Any) -> bool:
    """Whether features are passed by the user."""
    return isinstance(encoder, str) and encoder == "precomputed"


def fit_encoders(
    encoder: Any,
    X: Any,
    source: ImageSource | None,
    features: Any,
    *,
    n_clusters: int | None,
    device: Any = "auto",
    verbose: int = 0,
) -> tuple[list[FrozenEncoder], FeatureTable | None]:
    """Embed the training images with every encoder.

    `encoder` is the parameter of an estimator; `source` are the images `X`, opened, and
    `n_clusters`, None if unknown, serves to weigh several encoders. `device` and
    `verbose` are for encoders given by name.

    Returns
    -------
    encoders : list of FrozenEncoder
    table : FeatureTable or None
        Features of all encoders, NaN for unreadable images; None without encoders.
    """
    if is_precomputed(encoder):
        arrays = _check_features(features, source)
        fitted: list[Any] = [(name, None, rows) for name, rows in arrays.items()]
    else:
        _refuse_features(features, encoder)
        fitted = [
            (type(each).__name__, each, _transform(each, X, source, fit=True))
            for each in _as_transformers(encoder, device, verbose)
        ]
    encoders = [
        FrozenEncoder(name, transformer, _mean_direction(rows))
        for name, transformer, rows in fitted
    ]
    blocks = [rows for _, _, rows in fitted]
    weights = weigh_encoders(encoders, blocks, n_clusters)
    for each, weight in zip(encoders, weights, strict=True):
        each.weight = weight
    return encoders, FeatureTable(encoders, blocks) if blocks else None


def apply_encoders(
    encoders: Sequence[FrozenEncoder], X: Any, source: ImageSource | None, features: Any
) -> FeatureTable | None:
    """Embed new images with encoders that were fitted; see `fit_encoders`."""
    if encoders and encoders[0].transformer is None:
        dims = {each.name: each.feature_dim for each in encoders}
        blocks = list(_check_features(features, source, dims).values())
    else:
        _refuse_features(features, "the encoder of the fit" if encoders else None)
        blocks = [_transform(e.transformer, X, source, fit=False) for e in encoders]
    return FeatureTable(encoders, blocks) if blocks else None


def _mean_direction(rows: Features) -> NDArray[np.float32]:
    """Return the mean of rows of unit length, NaN left out."""
    total, count = np.zeros(rows.shape[1]), 0
    for block in gen_batches(len(rows), _BLOCK_ROWS):
        unit = unit_rows(rows[block])
        total += np.nansum(unit, axis=0, dtype=np.float64)
        count += int(np.isfinite(unit[:, 0]).sum())
    return (total / max(count, 1)).astype(np.float32)


def _find_bad(rows: Features) -> NDArray[np.int64]:
    """Return which rows have NaN or infinity."""
    blocks = gen_batches(len(rows), _BLOCK_ROWS)
    finite = [np.isfinite(rows[block]).all(axis=1) for block in blocks]
    return np.flatnonzero(~np.concatenate(finite))


def _as_transformers(encoder: Any, device: Any, verbose: int) -> list[Any]:
    """Make the transformers that names stand for, and clone the user's."""
    if encoder is None:
        return []
    several = list(encoder) if isinstance(encoder, list | tuple) else [encoder]
    if not several:
        raise ValueError("encoder is an empty list: set encoder=None for pixels alone.")
    made = []
    for each in several:
        if isinstance(each, str) and not is_precomputed(each):
            made.append(CLIPFeatures(each, device=device, verbose=int(verbose > 0)))
        elif hasattr(each, "fit_transform") and hasattr(each, "transform"):
            made.append(clone(each))
        else:
            raise TypeError(
                "encoder must be None, 'precomputed', the name of a model, a "
                "transformer of images such as CLIPFeatures, or a list of those, got "
                f"{each!r}."
            )
    return made


def as_transformer(encoder: Any) -> Any:
    """Return an encoder that has parameters, also in place of its name."""
    if isinstance(encoder, str) and not is_precomputed(encoder):
        return CLIPFeatures(encoder)
    if hasattr(encoder, "set_params"):
        return encoder
    raise ValueError(
        f"encoder={encoder!r} has no parameters to set: set encoder=CLIPFeatures(...), "
        "or those of the encoders in a list."
    )


def update_paths(encoders: Sequence[FrozenEncoder], encoder: Any) -> None:
    """Let fitted encoders find cache and weights where their parameters say now.

    `encoder` is the parameter of the estimator. A cache may be named at any time; a
    file of weights counts for an encoder that was left out of a saved model.
    """
    several = list(encoder) if isinstance(encoder, list | tuple) else [encoder]
    for fitted, now in zip(encoders, several, strict=False):
        then = fitted.transformer
        if isinstance(now, CLIPFeatures) and isinstance(then, CLIPFeatures):
            then.use_paths_of(now)


def _transform(transformer: Any, X: Any, source: Any, *, fit: bool) -> Features:
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
    bad = np.setdiff1d(_find_bad(rows), list(source.unreadable))
    if len(bad):
        raise ValueError(
            f"The encoder {transformer!r} returned NaN or infinity for {len(bad)} "
            f"images, the first of them image {bad[0]}: its features must be finite."
        )
    return rows


def _refuse_features(features: Any, encoder: Any) -> None:
    """Raise if features were passed that nobody uses."""
    if features is not None:
        raise ValueError(
            f"features were passed, but encoder={encoder!r} does not use them: set "
            "encoder='precomputed'."
        )


def _check_features(
    features: Any, source: ImageSource | None, dims: dict[str, int] | None = None
) -> dict[str, Features]:
    """Return the user's features by name as floats, or raise for what is wrong."""
    if features is None or (isinstance(features, Sequence | Mapping) and not features):
        raise ValueError(
            "encoder='precomputed' needs features: pass them as X, one row for each "
            "image, or with the images as features=..., of shape (n_samples, "
            "n_features)."
        )
    named = {"features": features}
    if isinstance(features, Mapping):
        named = dict(features)
    # A list of rows of numbers is one array.
    elif isinstance(features, list | tuple) and np.ndim(features[0]) == 2:
        named = {f"features[{i}]": rows for i, rows in enumerate(features)}
    arrays = {name: _check_rows(name, rows, source) for name, rows in named.items()}
    check_consistent_length(*arrays.values())
    found = {name: rows.shape[1] for name, rows in arrays.items()}
    if dims is not None and found != dims:
        told, before = (
            ", ".join(f"{n} columns ({name})" for name, n in each.items())
            for each in (found, dims)
        )
        raise ValueError(
            f"features are of {told}, but those passed to fit were of {before}: pass "
            "features of the same encoders, as in fit."
        )
    return {name: arrays[name] for name in dims or arrays}  # as fit had them


def _check_rows(name: str, features: Any, source: ImageSource | None) -> Features:
    """Return one array of features as floats; rows of unreadable images become NaN."""
    if hasattr(features, "detach"):  # a tensor that requires gradients, or of a GPU
        features = features.detach().float().cpu()
    rows = check_array(features, dtype=FLOATS, ensure_all_finite=False, input_name=name)
    if source is not None and len(rows) != len(source):
        raise ValueError(
            f"{name} has {len(rows)} rows, but there are {len(source)} images: there "
            "must be one row for each image, in the same order."
        )
    unreadable: Any = () if source is None else source.unreadable
    bad = _find_bad(rows).tolist()
    for index in bad:
        if source is not None and index not in unreadable:
            source.read([index], source.image_size)  # shows whether it is broken
        if index not in unreadable:
            raise ValueError(
                f"{name} has NaN or infinity in {len(bad)} rows, the first of them "
                f"{index}: features must be finite."
            )
    if unreadable:
        rows = rows.copy()
        rows[list(unreadable)] = np.nan
    return rows
