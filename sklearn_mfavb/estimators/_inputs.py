"""What users pass to an estimator, opened: images, features, or both."""

import hashlib
from numbers import Integral
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import validate_data
from torch import Tensor

from sklearn_mfavb.features import (
    FLOATS,
    FeatureTable,
    FrozenEncoder,
    fit_encoders,
    is_precomputed,
)
from sklearn_mfavb.images import (
    ImageDataset,
    ImageFormat,
    ImageSource,
    is_table,
    open_images,
)
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.model_selection import NClustersSelector
from sklearn_mfavb.neighbors import nearest_neighbors, pixel_features
from sklearn_mfavb.training import Runtime, apply_to_views

# Larger images are read at this longest side unless image_size says otherwise: four
# views of 224 pixels through a network of its size take a CPU core minutes per epoch
# and thousand images, and small objects already show at 64.
_LONGEST_AUTO_SIDE = 64
_SCORE_NEIGHBORS = 10
_SCORE_SIDE = 16  # pixels
_BLOCK_ROWS = 4096

Opened = tuple[Any, ImageSource | None, Any]


def open_inputs(
    estimator: Any,
    X: Any,
    features: Any,
    *,
    image_format: ImageFormat | None,
    reset: bool = True,
) -> Opened:
    """Check what was passed to `fit`, or with ``reset=False`` to another method.

    `image_format` is that of the images passed to `fit`.

    Returns
    -------
    X : object
        As it was passed, or checked by scikit-learn if it is a table of numbers.
    source : ImageSource or None
        The images; None if X holds features, or nothing beside `features`.
    features : object
        Features, from X or as they were passed.
    """
    if is_precomputed(estimator.encoder) and features is None:
        X = _rows_in_memory(X)
    is_rows = is_table(X)
    if reset and not is_rows:
        for learned in ("feature_names_in_", "n_features_in_"):
            estimator.__dict__.pop(learned, None)
    if is_rows and features is None and is_precomputed(estimator.encoder):
        # Whether it is finite, a block at a time, is seen when it is encoded.
        X = validate_data(
            estimator, X, reset=reset, dtype=FLOATS, ensure_all_finite=False
        )
        return X, None, X
    if X is None and features is not None:
        return X, None, features
    if is_rows:
        X = validate_data(estimator, X, reset=reset, ensure_all_finite=False)
    if image_format is None and not reset:
        raise ValueError(
            "This estimator was fitted on rows of features without images: pass rows "
            f"of features, got {_describe(X)}. Reshape your data if it is one row: "
            "X.reshape(1, -1)."
        )
    reading = estimator._group("reading")
    return X, open_images(X, reading=reading, format=image_format), features


def _rows_in_memory(X: Any) -> Any:
    """Return rows of features that are a tensor or on disk as an array."""
    if getattr(X, "ndim", None) != 2 or isinstance(X, np.ndarray):
        return X
    if hasattr(X, "detach"):
        return X.detach().float().cpu().numpy()
    return X[:] if hasattr(X, "chunks") else X  # h5py and zarr


def _describe(X: Any) -> str:
    """Return the type of X, and its shape if it has one."""
    shape = f" of shape {tuple(X.shape)}" if hasattr(X, "shape") else ""
    return f"a {type(X).__name__}{shape}"


def looks_at_pixels(encoder: Any, use_pixels: bool | Literal["auto"]) -> bool:
    """Replace ``"auto"``: with an encoder, its features are enough."""
    if use_pixels != "auto" and not use_pixels and encoder is None:
        raise ValueError(
            "use_pixels=False leaves nothing to look at without an encoder: set "
            "encoder='ViT-B-32', for example, or use_pixels=True."
        )
    return encoder is None if use_pixels == "auto" else bool(use_pixels)


def resolve_image_size(
    image_size: Any, source: ImageSource | None, looks_at_pixels: bool
) -> tuple[int, int] | None:
    """Choose the height and width in pixels at which the network sees images."""
    if not looks_at_pixels:
        return None
    if source is None:
        raise ValueError(
            "use_pixels=True needs images, but only features were passed: pass images "
            "as X, or set use_pixels=False."
        )
    if isinstance(image_size, tuple | list):
        return _check_sides(image_size)
    if image_size != "auto":
        return int(image_size), int(image_size)
    height, width = source.image_size
    scale = min(1.0, _LONGEST_AUTO_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _check_sides(image_size: Any) -> tuple[int, int]:
    """Return (height, width), or raise for anything else."""
    sides = tuple(image_size)
    if len(sides) != 2 or not all(
        isinstance(side, Integral) and int(side) > 0 for side in sides
    ):
        raise ValueError(
            "image_size must be 'auto', a positive int or (height, width) of two "
            f"positive ints, got {image_size!r}."
        )
    return int(sides[0]), int(sides[1])


def read_inputs(
    estimator: Any, X: Any, features: Any
) -> tuple[ImageDataset, list[FrozenEncoder]]:
    """Open and encode what `fit` was passed, without images that cannot be read.

    Returns
    -------
    dataset : ImageDataset
        All images that can be read; ValueError if they are fewer than the clusters.
    encoders : list of FrozenEncoder
    """
    n_clusters = None if estimator.n_clusters == "auto" else estimator.n_clusters
    encoder, verbose = estimator.encoder, estimator.verbose
    X, source, features = open_inputs(estimator, X, features, image_format=None)
    looks = looks_at_pixels(encoder, estimator.use_pixels)
    size = resolve_image_size(estimator.image_size, source, looks)
    if source is not None:
        _ = source.fingerprint  # now, so that files which change later are noticed
    if source is not None and size is not None:
        source.keep(size)  # one decoding serves the encoders and the network
        if is_precomputed(encoder):  # features of broken files do not count
            source.verify(size, verbose=verbose)
    encoders, table = fit_encoders(
        encoder,
        X,
        source,
        features,
        n_clusters=n_clusters,
        device=estimator.device,
        verbose=verbose,
    )
    if source is not None and size is not None:
        source.verify(size, verbose=verbose)
    unreadable = {} if source is None else source.unreadable
    n_images = len(table or ()) if source is None else len(source)
    indices = np.setdiff1d(np.arange(n_images), list(unreadable))
    if len(indices) < (n_clusters or 1):
        broken = f" ({len(unreadable)} more could not be read)" if unreadable else ""
        raise ValueError(
            f"n_samples={len(indices)} should be >= n_clusters={n_clusters or 1}"
            f"{broken}: give more images or ask for fewer clusters."
        )
    table = None if table is None else table.take(indices)
    return ImageDataset(source, size, indices, table), encoders


def fingerprint_inputs(dataset: ImageDataset) -> str | None:
    """Identify images, and features that a user passed; None if images may change."""
    source, table = dataset.source, dataset.features
    of_images = "" if source is None else source.fingerprint
    if of_images is None or table is None or not table.is_precomputed:
        return of_images or None
    digest = hashlib.blake2b(of_images.encode(), digest_size=16)
    for block in gen_batches(len(table), _BLOCK_ROWS):
        rows = table[block]  # NaN stands for files that cannot be read
        digest.update(rows[rows[:, 0].isfinite()].numpy().data)
    return digest.hexdigest()


def score_labels(
    labels: NDArray[np.int64], dataset: ImageDataset, runtime: Runtime
) -> float:
    """Score labels by those of neighbors; -1 marks outliers and skipped images."""
    members = labels >= 0
    if not members.any():
        source = dataset.source
        if source is not None and len(source.unreadable) == len(labels):
            raise ValueError(f"None of the {len(labels)} images can be read.")
        return 0.0  # all are outliers
    rows = comparable_rows(dataset, runtime, np.flatnonzero(members))
    neighbors = nearest_neighbors(rows, _SCORE_NEIGHBORS, method="auto")
    return neighbor_agreement(labels[members], neighbors)


def count_clusters(
    estimator: Any, dataset: ImageDataset
) -> tuple[int, dict[int, list[float]] | None]:
    """Return the number of clusters, and scores of every number that was tried."""
    if estimator.n_clusters != "auto":
        return estimator.n_clusters, None
    is_fitted = hasattr(estimator, "model_") and hasattr(estimator, "n_clusters_")
    if estimator._group("training").warm_start and is_fitted:
        # The network is made for its number.
        return estimator.n_clusters_, getattr(estimator, "n_clusters_scores_", None)
    if len(dataset) < 3:
        raise ValueError(
            f"n_clusters='auto' needs 3 images or more, got {len(dataset)}: set "
            "n_clusters to a number."
        )
    # The same rows in every fit, so that one which is resumed finds the same number.
    selector = NClustersSelector(random_state=0)
    drawn = check_random_state(0).permutation(len(dataset))[: selector.max_samples]
    drawn = drawn if len(drawn) < len(dataset) else np.sort(drawn)
    runtime = estimator._runtime(estimator.device)
    try:
        selector.fit(np.asarray(comparable_rows(dataset, runtime, drawn)[:]))
    except ValueError as error:
        raise ValueError(
            f"n_clusters='auto' finds no number of clusters, set one: {error}"
        ) from error
    values, scores = selector.n_clusters_values_.tolist(), selector.scores_.tolist()
    return selector.n_clusters_, dict(zip(values, scores, strict=True))


def comparable_rows(
    dataset: ImageDataset, runtime: Runtime, positions: NDArray[np.int64]
) -> FeatureTable | NDArray[np.float32]:
    """Return features of images at some positions, or pixels if there are none."""
    if dataset.features is not None:
        return cast(FeatureTable, dataset.features).take(positions)
    source = cast(ImageSource, dataset.source)  # without features there are images
    height, width = source.image_size
    size = min(height, _SCORE_SIDE), min(width, _SCORE_SIDE)
    return apply_to_views(
        lambda view: pixel_features(cast(Tensor, view.images)),
        ImageDataset(source, size, dataset.indices[positions]),
        runtime,
    )
