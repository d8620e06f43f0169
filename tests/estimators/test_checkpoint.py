"""Training that was cut off goes on, to the same end."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sklearn_mfavb import (
    AnchorClustering,
    Augmentation,
    Neighbors,
    SCANClustering,
    Training,
    VTCCClustering,
)
from sklearn_mfavb.training import _checkpoint


class Killed(Exception):
    """What ends a fit in the middle."""


@pytest.fixture(scope="module")
def images(shapes):
    return shapes[0][:36]


@pytest.fixture(autouse=True)
def every_epoch_is_kept(monkeypatch):
    """However long writing takes beside an epoch of a moment."""
    monkeypatch.setattr(_checkpoint, "_SHARE_OF_TIME", np.inf)


@pytest.fixture
def build(make):
    staged = {
        AnchorClustering: {"pretrain_epochs": 2},
        SCANClustering: {"pretext_epochs": 2, "self_label_epochs": 2},
    }

    def build(cls, path=None, **parameters):
        training = Training(checkpoint=path)
        settings = {"batch_size": 12, **staged.get(cls, {}), **parameters}
        return make(cls, **{"training": training, **settings})

    return build


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training"


@pytest.fixture
def kill(build, images, stop_at, path):
    """Kill a fit in an epoch, counted from where it goes on."""

    def kill(cls=VTCCClustering, epoch=2, **settings):
        training = stop_at(epoch, Killed, checkpoint=path)
        with pytest.raises(Killed):
            build(cls, training=training, **settings).fit(images)

    return kill


def assert_same_fit(one, other):
    assert_array_equal(one.labels_, other.labels_)
    history, expected = (
        [{**row, "seconds": 0} for row in each.history_] for each in (one, other)
    )
    assert history == expected
    mine, its = (each.model_.network.state_dict() for each in (one, other))
    assert mine.keys() == its.keys()
    for name in mine:
        assert torch.equal(mine[name], its[name]), name


@pytest.mark.parametrize("in_embedding", [False, True])
def test_a_killed_fit_goes_on_to_the_same_end(
    estimator_class, build, images, kill, path, in_embedding
):
    """Killed in any epoch of any stage, a fit ends as if nothing had happened."""
    if in_embedding and estimator_class is AnchorClustering:
        pytest.skip("has no neighbors")
    neighbors = Neighbors(3, space="embedding", refresh=1)
    settings = {"positives": neighbors} if in_embedding else {}
    whole = build(estimator_class, **settings).fit(images)
    for epoch in range(2, whole.n_iter_ + 1):
        kill(estimator_class, epoch, **settings)
        assert_same_fit(build(estimator_class, path, **settings).fit(images), whole)
        assert not path.exists()


def test_a_fit_may_be_killed_again_and_again(build, images, kill, path):
    for _ in range(2):
        kill(SCANClustering)
    whole = build(SCANClustering).fit(images)
    assert_same_fit(build(SCANClustering, str(path)).fit(images), whole)
    assert_same_fit(build(SCANClustering, path).fit(images), whole)  # from the start
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("epoch", [1, 3])
def test_ctrl_c_leaves_the_checkpoint(
    estimator_class, build, images, stop_at, path, epoch
):
    training = stop_at(epoch, at_its_end=True, checkpoint=path)
    settings = {"max_epochs": 4}
    with pytest.warns(match="Training stopped after"):
        build(estimator_class, training=training, **settings).fit(images)
    whole = build(estimator_class, **settings).fit(images)
    assert_same_fit(build(estimator_class, path, **settings).fit(images), whole)


def test_features_and_two_encoders_resume(build, images, tiny, kill, path):
    settings = {"encoder": [tiny(), tiny(precision="bfloat16")]}
    kill(**settings)
    whole = build(VTCCClustering, **settings).fit(images)
    assert_same_fit(build(VTCCClustering, path, **settings).fit(images), whole)


def test_a_checkpoint_of_another_fit_is_refused(build, images, kill, path):
    """What differs is named, groups included, and the file stays."""
    kill()
    for name, value, told in [
        ("training__learning_rate", 0.5, "was 0.001, now 0.5"),
        ("random_state", 1, "was 0, now 1"),
        ("n_clusters", 4, "was 3, now 4"),
        ("reading__resize", "pad", "was 'crop', now 'pad'"),
    ]:
        with pytest.raises(ValueError, match=f"{name} {told}"):
            build(VTCCClustering, path).set_params(**{name: value}).fit(images)
    with pytest.raises(ValueError, match="images was 36 with"):
        build(VTCCClustering, path).fit(255 - images)
    with pytest.raises(ValueError, match=r"images was 36 .*now 30 with"):
        build(VTCCClustering, path).fit(images[:30])
    assert path.exists()
    # Where files are kept, and what is shown, is no part of a training.
    build(VTCCClustering, path, verbose=0, device="cpu").fit(images)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("augmentation", lambda batch: batch),
        ("augmentation", Augmentation(features=lambda rows: rows)),
        ("backbone", lambda **shape: None),
    ],
    ids=["augmentation", "in a group", "backbone"],
)
def test_lambdas_are_refused_in_plain_words(build, images, path, name, value):
    """They could not be known again; without a checkpoint they are welcome."""
    with pytest.raises(ValueError, match=f"checkpoint must recognize {name}.*lambda"):
        build(VTCCClustering, path).set_params(**{name: value}).fit(images)
    assert not path.exists()


def test_a_seed_that_was_drawn_is_kept(build, images, kill, path):
    """Without random_state, a fit goes on with the seed that it began with."""
    kill(random_state=None)
    seed = torch.load(path, weights_only=True)["seed"]
    resumed = build(VTCCClustering, path, random_state=None).fit(images)
    assert resumed.n_iter_ == 2
    assert isinstance(seed, int)


def test_a_warm_start_is_resumed_without_counting_epochs_twice(
    make, images, stop_at, path
):
    """What the checkpoint holds takes the place of the interrupted fit."""
    training = stop_at(2, at_its_end=True, checkpoint=path)
    clusterer = make(VTCCClustering, max_epochs=5, training=training)
    clusterer.set_params(training__warm_start=True)
    with pytest.warns(ConvergenceWarning, match="stopped after 2"):
        clusterer.fit(images)
    clusterer.set_params(training__callbacks=None).fit(images)
    assert [row["epoch"] for row in clusterer.history_] == [1, 2, 3, 4, 5]
    assert not path.exists()
