"""Training that ends when its time is over."""

import pytest
from skorch.callbacks import Callback

from sklearn_mfavb import MFAVBClustering, SCANClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.training import TimeBudget

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def images():
    """Thirty-two small images."""
    return make_shape_images(32, n_clusters=2, image_size=8, random_state=0)[0]


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
        self.clock.now += 1


def fit(images, *callbacks):
    """Train for five epochs of two batches, if nothing ends that."""
    return MFAVBClustering(
        2,
        max_epochs=5,
        batch_size=16,
        embed_dim=16,
        callbacks=list(callbacks),
        random_state=0,
    ).fit(images)


@pytest.mark.parametrize(
    ("seconds", "n_epochs"),
    [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (7, 3), (100, 5)],
)
def test_epochs_within_the_budget_count(images, clock, seconds, n_epochs):
    """An epoch that time cuts off is left out; the first is always whole."""
    fitted = fit(images, MoveClock(clock), TimeBudget(seconds))
    assert fitted.n_iter_ == n_epochs
    assert fitted.labels_.shape == (32,)


def test_an_epoch_is_cut_off_in_the_middle(images, clock):
    """Time is looked at after every batch, not only after epochs."""
    fit(images, MoveClock(clock), TimeBudget(3))
    assert clock.now == 3


def test_the_budget_is_that_of_all_stages(images, clock):
    """Time that is over in one stage leaves nothing for the next."""
    fitted = SCANClustering(
        2,
        backbone="resnet10t",
        pretext_epochs=3,
        max_epochs=3,
        batch_size=16,
        callbacks=[MoveClock(clock), TimeBudget(4)],
        random_state=0,
    ).fit(images)
    assert [row["stage"] for row in fitted.history_] == ["pretext"] * 2


def test_a_short_budget_comes_further_every_time(images, clock, tmp_path):
    """Each fit with a checkpoint gains an epoch, to the end of a fit without budget."""
    path = tmp_path / "training"
    settings = {"max_epochs": 3, "batch_size": 16, "embed_dim": 16, "random_state": 0}
    for n_epochs in (1, 2):
        budget = TimeBudget(0)
        fitted = MFAVBClustering(2, checkpoint=path, callbacks=[budget], **settings)
        assert fitted.fit(images).n_iter_ == n_epochs
    rest = MFAVBClustering(2, checkpoint=path, callbacks=[TimeBudget(0)], **settings)
    whole = MFAVBClustering(2, **settings).fit(images)
    assert (rest.fit(images).labels_ == whole.labels_).all()
    assert not path.exists()
