"""What goes into skorch's training loop, and what is kept of it."""

from typing import Any

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
                f"{item!r}."
            )
    return list(callbacks)


def read_history(
    net: ClusteringNet, n_before: int, stage: str | None = None
) -> list[dict[str, Any]]:
    """Copy what is worth keeping of skorch's history: one plain dict per epoch.

    An interrupted epoch has no losses yet and is left out; if there is no other, the
    interruption goes on to the user.
    """
    rows = [row for row in net.history if "train_loss" in row]
    if not rows:
        raise KeyboardInterrupt
    names = [name for name in rows[0] if name.endswith("_loss")]
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
