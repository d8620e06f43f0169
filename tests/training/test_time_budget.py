"""Training that ends when its time is over."""

import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb.training import Checkpoint, TimeBudget

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock, which is moved by hand."""

    class Clock:
        now = 0.0

    monkeypatch.setattr("time.monotonic", lambda: Clock.now)
    return Clock


class MoveClock(Callback):
    """Move the clock after every batch."""

    def __init__(self, clock):
        self.clock = clock

    def on_batch_end(self, net, **kwargs):
        """Move it by a second."""
        self.clock.now += 1


@pytest.mark.parametrize(
    ("seconds", "n_epochs", "ends_at"),
    [(0, 1, 3), (3, 1, 3), (4, 1, 4), (6, 2, 6), (10, 3, 10), (99, 5, 15)],
)
def test_epochs_within_the_budget_count(
    run, make_network, make_stage, clock, seconds, n_epochs, ends_at
):
    """An epoch of three batches is cut off at a batch, and left out; not the first."""
    callbacks = [MoveClock(clock), TimeBudget(seconds)]
    history = run(make_network(), make_stage(5), callbacks=callbacks)
    assert len(history) == n_epochs
    assert clock.now == ends_at


def test_the_budget_is_that_of_all_stages(run, make_network, make_stage, clock):
    """Time that is over in one stage leaves nothing for the next."""
    stages = make_stage(3, name="one"), make_stage(3, name="two")
    callbacks = [MoveClock(clock), TimeBudget(6)]
    history = run(make_network(), *stages, callbacks=callbacks)
    assert [row["stage"] for row in history] == ["one"] * 2


def test_a_short_budget_comes_further_every_time(
    run, make_network, make_stage, clock, tmp_path
):
    """Each fit with a checkpoint gains an epoch, to the end of a fit without budget."""
    lengths, weights = [], []
    for seconds in (0, 0, 0, 99):
        keep = {"seed": 0, "device": torch.device("cpu")}
        checkpoint = Checkpoint(tmp_path / "kept", {}, **keep)
        network = make_network()  # seeds torch
        callbacks = [MoveClock(clock), TimeBudget(seconds)]
        stage = make_stage(3)
        history = run(network, stage, checkpoint=checkpoint, callbacks=callbacks)
        lengths.append(len(history))
        weights.append(network.state_dict()["instance_head.layers.0.weight"])
        checkpoint.close()
    whole = make_network()
    run(whole, make_stage(3))
    assert lengths == [1, 2, 3, 3]
    expected = whole.state_dict()["instance_head.layers.0.weight"]
    assert torch.equal(weights[2], expected)
    assert list(tmp_path.iterdir()) == []
