"""What goes into skorch's training loop, and what is kept of it."""

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_mfavb.training import ClusteringNet


def check_callbacks(callbacks: Any) -> list:
    """Return skorch's callbacks, or say which of the items is none."""
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                "callbacks must be skorch callbacks or pairs (name, callback), got "
                f"{item!r}. Those of scikit-learn are set by set_callbacks."
            )
    return list(callbacks)


def read_history(
    net: ClusteringNet, n_before: int, stage: str | None = None
) -> list[dict[str, Any]]:
    """Copy what is worth keeping of skorch's history: one plain dict per epoch.

    An interrupted epoch has no losses yet and is left out.
    """
    rows = [row for row in net.history if "train_loss" in row]
    names = [name for name in rows[0] if name.endswith("_loss")] if rows else []
    return [
        {
            "epoch": n_before + row["epoch"],
            **({} if stage is None else {"stage": stage}),
            "loss": float(row["train_loss"]),
            **{name: row[name] for name in names if name != "train_loss"},
            "seconds": row["dur"],
        }
        for row in rows
    ]


def warn_of_early_end(n_epochs: int, max_epochs: int, stage: str | None) -> None:
    """Warn that a stage of training was cut short."""
    where = "" if stage is None else f" of the stage {stage!r}"
    warnings.warn(
        f"Training stopped after {n_epochs} of max_epochs={max_epochs} epochs{where}; "
        "the labels are those of the network as it was then.",
        ConvergenceWarning,
        stacklevel=6,  # the caller of fit, through scikit-learn's wrapper
    )
