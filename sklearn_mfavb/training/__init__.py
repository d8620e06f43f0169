"""The training loop: skorch's, with one rung changed."""

from sklearn_mfavb.training._batches import balanced_batches
from sklearn_mfavb.training._callbacks import (
    EpochProgress,
    FollowQuery,
    RefreshNeighbors,
    TermAverages,
)
from sklearn_mfavb.training._net import ClusteringNet
from sklearn_mfavb.training._runtime import (
    local_seed,
    resolve_autocast,
    resolve_device,
)
from sklearn_mfavb.training._schedule import WarmupConstant, WarmupCosine

__all__ = [
    "ClusteringNet",
    "EpochProgress",
    "FollowQuery",
    "RefreshNeighbors",
    "TermAverages",
    "WarmupConstant",
    "WarmupCosine",
    "balanced_batches",
    "local_seed",
    "resolve_autocast",
    "resolve_device",
]
