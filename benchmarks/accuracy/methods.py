"""Every method of the benchmark, and every constructor call of an estimator.

`METHODS` maps a name to a function of the number of clusters, the seed, what the
profile sets for the class, and the widths of the features, one for each encoder. It
returns an estimator with `fit_predict`: one of ours, which takes images and
``features=``, or one of ``rivals.py``, which takes rows of pixels or features. Whatever
is not said here is the default of the class. To add a method, add a line.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

import sklearn_mfavb
from benchmarks.accuracy.halves import ONE_VIEW, build_halves
from benchmarks.accuracy.rivals import RIVALS, Rival
from sklearn_mfavb import CLIPFeatures, NClustersSelector, Neighbors, ViT
from sklearn_mfavb import estimators as family
from sklearn_mfavb.augmentation import FeatureNoise

__all__ = [
    "CLIP_MODEL",
    "FAMILY",
    "FROM_PIXELS",
    "METHODS",
    "PROFILE_SETTINGS",
    "VARIANTS",
    "is_ours",
    "make",
    "make_encoder",
    "make_sized",
]

FAMILY = tuple(
    sorted(
        (name for name in family.__all__ if name.endswith("Clustering")),
        key=lambda name: name != "MFAVBClustering",  # ours comes first
    )
)
FROM_PIXELS = tuple(name for name in FAMILY if name != "TEMIClustering")
CLIP_MODEL = "ViT-B-16-quickgelu"


def ours(
    name: str,
    n_clusters: int | str,
    seed: int,
    settings: dict[str, Any],
    widths: tuple[int, ...],
    **changes: Any,
) -> BaseEstimator:
    """Make an estimator of the package."""
    estimator_class = getattr(sklearn_mfavb, name)
    encoder = {"encoder": "precomputed"} if widths else {}
    estimator = estimator_class(n_clusters, **encoder, random_state=seed)
    return estimator.set_params(**settings, **changes)


def make_sized(
    name: str, n_clusters: int, *, embed_dim: int | str = "auto", **parameters: Any
) -> BaseEstimator:
    """Make an estimator of a given width, whose speed is measured."""
    if embed_dim != "auto":
        parameters["backbone"] = ViT(embed_dim=embed_dim)
    return getattr(sklearn_mfavb, name)(n_clusters, **parameters)


def make_encoder(weights: Path, device: str) -> CLIPFeatures:
    """Make the encoder whose speed is measured."""
    return CLIPFeatures(CLIP_MODEL, weights, device=device)


def beside(make_rival: Rival) -> Callable[..., BaseEstimator]:
    """Make the function of a rival, for which profiles set nothing."""
    return lambda n_clusters, seed, _, widths: make_rival(n_clusters, seed, widths)


def selector(n_clusters: int, seed: int, *_: Any) -> NClustersSelector:
    """Propose a number of clusters, without being told the number of classes."""
    return NClustersSelector(random_state=seed)


ALONE = {"fused_depth": 0}
VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {"training__precision": "float32"},
    "across_pairs": {"contrast": "across_pairs"},
    "fused": {"shared_depth": 1, "fused_depth": 1},
    "fused, within_pair": {
        "shared_depth": 1,
        "fused_depth": 1,
        "contrast": "within_pair",
    },
    "no fusion": ALONE,
    "with pixels": {"use_pixels": True},
    "same-image positives": {"positives": "augmentation"},
    "neighbors in the embedding": {"positives": Neighbors(space="embedding")},
    "label by cluster head": {"assignment": "head"},
    "balance 0": {"balance": 0.0},
}

NOISE = {"augmentation__features": FeatureNoise()}  # it leaves out no encoder
# Two sources as the halves of a fused pair, and the same without fusion.
HALVES: dict[str, dict[str, Any]] = {
    "no fusion, with pixels": {**ALONE, "use_pixels": True},
    "no fusion, plain noise": {**ALONE, **NOISE},
    "pixels and features as halves": {
        "use_pixels": True,
        "backbone": build_halves,
        "augmentation__images": ONE_VIEW,
    },
    "encoders as halves": {"backbone": build_halves, **NOISE},
}

METHODS: dict[str, Callable[..., BaseEstimator]] = {
    **{name: beside(make_rival) for name, make_rival in RIVALS.items()},
    **{name: partial(ours, name) for name in FAMILY},
    **{
        f"MFAVBClustering, {name}": partial(ours, "MFAVBClustering", **changes)
        for name, changes in (VARIANTS | HALVES).items()
    },
    "NClustersSelector": selector,
}

# Epochs of the stages before and after that of `max_epochs`.
STAGES = {
    "SCANClustering": ("pretext_epochs", "self_label_epochs"),
    **dict.fromkeys(
        ("AnchorClustering", "GCCClustering", "C3Clustering"), ("pretrain_epochs",)
    ),
}
# At 16 pixels, networks of about one cost: on one core an image and pass take 1.4 ms
# with VTCC, 2 to 3 ms with MFAVB, 3.3 ms with CC on a ResNet-10, 6.1 ms on a ResNet-18.
SMALL = {
    name: {"backbone": "resnet10t"}
    for name in FROM_PIXELS
    if name not in ("MFAVBClustering", "VTCCClustering")
}
# Profile, then class: settings from pixels. With features all have their defaults.
PROFILE_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "smoke": {
        name: {
            **SMALL.get(name, {}),
            **dict.fromkeys(("max_epochs", *STAGES.get(name, ())), 1),
        }
        for name in FROM_PIXELS
    },
    "from_scratch": SMALL,  # how many passes is for the CPU time to say
    # A class's REFERENCE goes before this.
    "paper": {
        name: {
            "image_size": 224,
            "max_epochs": 1000,
            **getattr(getattr(family, name), "REFERENCE", {}),
        }
        for name in FROM_PIXELS
    },
}


def is_ours(method: str) -> bool:
    """Whether a method is an estimator of the package, and looks at images."""
    return method.split(",")[0] in FAMILY


def make(
    method: str,
    n_clusters: int | str,
    seed: int,
    *,
    settings: dict[str, Any],
    widths: tuple[int, ...],
) -> BaseEstimator:
    """Make the estimator of a method; "auto" clusters are for those that find them."""
    return METHODS[method](n_clusters, seed, settings, widths)
