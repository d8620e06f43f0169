"""What of a fit is kept while it trains, and what if nothing is."""

from dataclasses import dataclass
from typing import Any, Protocol

from skorch.callbacks import Callback
from torch import nn

Rows = list[dict[str, Any]]


class TrainingLog(Protocol):
    """Where the stages of a fit begin, and how far the last of them has come."""

    @property
    def seed(self) -> int:
        """Seed of the fit."""

    def enter(self, network: nn.Module) -> None:
        """Begin the next stage, with the network as it is, or as it was kept."""

    def past_rows(self) -> Rows:
        """Return the epochs of the stage that was entered, if it is over."""

    def n_kept_epochs(self) -> int:
        """Count the epochs of the stage that was entered which are kept."""

    def n_past_epochs(self) -> int:
        """Count the epochs of all stages which are kept, when none was entered yet."""

    def leave(self, rows: Rows) -> None:
        """End the stage that was entered."""

    def callbacks(self) -> list[tuple[str, Callback]]:
        """List what skorch has to call to keep the stage that was entered."""

    def complete(self) -> None:
        """Say that all stages are over."""

    def close(self) -> None:
        """End the fit, whose labels are there."""


@dataclass(frozen=True)
class Unkept:
    """Training that nothing is kept of; see `TrainingLog`.

    Parameters
    ----------
    seed : int
        Seed of the fit.
    """

    seed: int

    def enter(self, network: nn.Module) -> None:
        """Do nothing."""

    def past_rows(self) -> Rows:
        """Return none: no stage is over before it has begun."""
        return []

    def n_kept_epochs(self) -> int:
        """Return 0."""
        return 0

    def n_past_epochs(self) -> int:
        """Return 0."""
        return 0

    def leave(self, rows: Rows) -> None:
        """Do nothing."""

    def callbacks(self) -> list[tuple[str, Callback]]:
        """Return nothing to call."""
        return []

    def complete(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
