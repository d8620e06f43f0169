"""Training that ends when its time is over."""

import pytest
from skorch.callbacks import Callback

from sklearn_mfavb.training import TimeBudget

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock, which is moved by hand."""

    class Clock:
        now = 0.0

    monkeypatch.setattr("time.monotonic", lambda: Clock.now)
    return Clock


class MoveClock(Callback):
    """Move the clock by a second after every batch."""

    def __init__(self, clock):
        self.clock = clock

    def on_batch_end(self, net, **kwargs):
        self.clock.now += 1


@pytest.mark.parametrize(
    ("seconds", "n_epochs", "ends_at"),
    [(0, 1, 3), (3, 1, 3), (4, 1, 4), (6, 2, 6), (10, 3, 10), (99, 5, 15)],
)
def test_epochs_within_the_budget_count(
    run, make_stage, clock, seconds, n_epochs, ends_at
):
    """An epoch of three batches is cut off at a batch, and left out; not the first."""
    callbacks = [MoveClock(clock), TimeBudget(seconds)]
    history = run(make_stage(5), callbacks=callbacks)
    assert len(history) == n_epochs
    assert clock.now == ends_at


def test_the_budget_is_that_of_all_stages(run, make_stage, clock):
    """Time that is over in one stage leaves nothing for the next."""
    stages = make_stage(3, name="one"), make_stage(3, name="two")
    callbacks = [MoveClock(clock), TimeBudget(6)]
    history = run(*stages, callbacks=callbacks)
    assert [row["stage"] for row in history] == ["one"] * 2
