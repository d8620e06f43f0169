"""The training loop: skorch's, with one rung changed."""

from sklearn_mfavb.training._batches import balanced_batches
from sklearn_mfavb.training._callbacks import (
    EpochProgress,
    FollowQuery,
    RefreshNeighbors,
    TermAverages,
)
from sklearn_mfavb.training._checkpoint import Checkpoint
from sklearn_mfavb.training._freed_memory import keep_freed_memory
from sklearn_mfavb.training._log import TrainingLog, Unkept
from sklearn_mfavb.training._net import ClusteringNet
from sklearn_mfavb.training._runtime import (
    autocast,
    local_seed,
    resolve_autocast,
    resolve_device,
)
from sklearn_mfavb.training._schedule import WarmupConstant, WarmupCosine
from sklearn_mfavb.training._time_budget import TimeBudget

__all__ = [
    "Checkpoint",
    "ClusteringNet",
    "EpochProgress",
    "FollowQuery",
    "RefreshNeighbors",
    "TermAverages",
    "TimeBudget",
    "TrainingLog",
    "Unkept",
    "WarmupConstant",
    "WarmupCosine",
    "autocast",
    "balanced_batches",
    "keep_freed_memory",
    "local_seed",
    "resolve_autocast",
    "resolve_device",
]
