"""Training: stages, run one after the other by skorch's loop."""

from sklearn_mfavb.training._batches import balanced_batches, count_batches
from sklearn_mfavb.training._callbacks import (
    EpochProgress,
    FollowQuery,
    FollowStudents,
    TimeBudget,
)
from sklearn_mfavb.training._checkpoint import Checkpoint, open_checkpoint
from sklearn_mfavb.training._net import ClusteringNet
from sklearn_mfavb.training._runtime import (
    Embedder,
    Runtime,
    apply_to_views,
    auto_batch_size,
    auto_epochs,
    autocast,
    embed_images,
    isolated,
    resolve_autocast,
    resolve_device,
    resolve_runtime,
    split_evenly,
)
from sklearn_mfavb.training._settings import Training
from sklearn_mfavb.training._train import History, Stage, train

__all__ = [
    "Checkpoint",
    "ClusteringNet",
    "Embedder",
    "EpochProgress",
    "FollowQuery",
    "FollowStudents",
    "History",
    "Runtime",
    "Stage",
    "TimeBudget",
    "Training",
    "apply_to_views",
    "auto_batch_size",
    "auto_epochs",
    "autocast",
    "balanced_batches",
    "count_batches",
    "embed_images",
    "isolated",
    "open_checkpoint",
    "resolve_autocast",
    "resolve_device",
    "resolve_runtime",
    "split_evenly",
    "train",
]
