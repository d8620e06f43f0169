"""Fits that end early, fail or go on, and what they leave behind."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping

from sklearn_mfavb import MFAVBClustering

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def test_non_finite_loss_stops_and_keeps_the_last_fit(quick, shapes):
    """The error names epoch and remedy; a fitted estimator stays usable."""
    images, _ = shapes
    clusterer = quick().fit(images)
    before = clusterer.transform(images)
    clusterer.set_params(augmentation=lambda batch: batch * float("nan"))
    with pytest.raises(FloatingPointError, match=r"epoch 1 .*learning_rate"):
        clusterer.fit(images)
    assert_array_equal(clusterer.transform(images), before)


class StopAfter(Callback):
    """Press Ctrl-C after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


def test_interrupted_fit_keeps_what_was_learned(quick, shapes):
    """Ctrl-C ends training early, with labels and a warning that counts epochs."""
    images, _ = shapes
    clusterer = quick(max_epochs=5, callbacks=[StopAfter(2)])
    with pytest.warns(ConvergenceWarning, match="after 2 of max_epochs=5"):
        clusterer.fit(images)
    assert clusterer.n_iter_ == 2
    assert clusterer.labels_.shape == (90,)


class StopInTheMiddle(Callback):
    """Press Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_interrupted_epoch_is_left_out(quick, shapes):
    """Ctrl-C within an epoch keeps the epochs before it."""
    images, _ = shapes
    clusterer = quick(max_epochs=5, callbacks=[StopInTheMiddle(3)])
    with pytest.warns(ConvergenceWarning, match="after 2 of max_epochs=5"):
        clusterer.fit(images)
    assert [row["epoch"] for row in clusterer.history_] == [1, 2]


def test_interruption_before_anything_was_learned_is_passed_on(quick, shapes):
    """Ctrl-C in the first epoch stops the fit."""
    images, _ = shapes
    clusterer = quick(callbacks=[StopInTheMiddle(1)])
    with pytest.raises(KeyboardInterrupt):
        clusterer.fit(images)
    assert not hasattr(clusterer, "net_")


def test_refused_refit_leaves_the_estimator_as_it_was(quick, shapes):
    """Bad input at a second fit changes nothing of the first."""
    images, _ = shapes
    rows = images.reshape(90, -1)
    clusterer = quick().fit(rows)
    with pytest.raises(ValueError, match="n_clusters"):
        clusterer.fit(np.zeros((2, 100)))
    assert_array_equal(clusterer.predict(rows), clusterer.labels_)


def test_column_names_do_not_outlive_their_fit(quick, shapes):
    """After a fit on an array, names of an earlier dataframe are forgotten."""
    images, _ = shapes
    frame = pd.DataFrame(images.reshape(90, -1)).add_prefix("pixel")
    clusterer = quick().fit(frame).fit(images)
    assert not hasattr(clusterer, "feature_names_in_")


def test_callbacks_of_skorch_work(quick, shapes):
    """Early stopping on the training loss ends a fit, named or not."""
    images, _ = shapes
    stop = EarlyStopping("train_loss", patience=1, threshold=10.0, sink=lambda _: None)
    for callback in (stop, ("stop", stop)):
        with pytest.warns(ConvergenceWarning, match="stopped after"):
            quick(max_epochs=9, callbacks=[callback]).fit(images)


@pytest.mark.parametrize("callback", [3, len, ("name", 3)])
def test_other_callbacks_are_refused(quick, shapes, callback):
    """The error names what is no callback."""
    images, _ = shapes
    with pytest.raises(TypeError, match="callbacks must be skorch callbacks"):
        quick(callbacks=[callback]).fit(images)


def test_saved_model_is_little_more_than_its_weights(shapes):
    """One copy of the weights is saved, without the optimizer's state."""
    images, _ = shapes
    fitted = MFAVBClustering(3, max_epochs=1, random_state=0).fit(images)
    network = fitted.net_.module_
    weights = sum(4 * parameter.numel() for parameter in network.parameters())
    saved = pickle.dumps(fitted)
    assert len(saved) < 1.2 * weights
    copy = pickle.loads(saved)
    assert copy.net_.module is copy.net_.module_
    copy.set_params(warm_start=True).fit(images)


@pytest.mark.parametrize(
    ("parameter", "value", "read"),
    [
        ("weight_decay", 0.3, lambda net: net.optimizer_.defaults["weight_decay"]),
        ("learning_rate", 0.002, lambda net: net.lr),
        ("max_epochs", 3, lambda net: len(net.history)),
        ("precision", "bfloat16", lambda net: str(net.autocast_dtype)[6:]),
        (
            "instance_temperature",
            0.2,
            lambda net: net.criterion_.instance_contrast.temperature,
        ),
        (
            "cluster_temperature",
            0.7,
            lambda net: net.criterion_.cluster_contrast.temperature,
        ),
        ("instance_weight", 0.2, lambda net: net.criterion_.instance_weight),
        ("cluster_weight", 0.3, lambda net: net.criterion_.cluster_weight),
        ("balance_weight", 0.4, lambda net: net.criterion_.balance_weight),
        (
            "warmup_epochs",
            1,
            lambda net: (
                dict(net.callbacks_)["schedule"].kwargs["lr_lambda"].n_warmup_steps / 3
            ),
        ),
        (
            "neighbor_refresh",
            7,
            lambda net: dict(net.callbacks_)["neighbors"].every,
        ),
        (
            "n_neighbors",
            4,
            lambda net: dict(net.callbacks_)["neighbors"].find.n_neighbors,
        ),
    ],
)
def test_parameters_reach_the_training(quick, shapes, parameter, value, read):
    """What the user sets is what the loop uses."""
    images, _ = shapes
    clusterer = quick(neighbor_space="embedding", **{parameter: value}).fit(images)
    assert read(clusterer.net_) == value


def test_warm_start_continues(quick, shapes):
    """A second fit starts from the learned weights and adds to the history."""
    images, _ = shapes
    clusterer = quick(warm_start=True, max_epochs=10).fit(images)
    first = clusterer.history_[0]["loss"], clusterer.history_[-1]["loss"]
    weights = clusterer.transform(images)
    clusterer.set_params(max_epochs=1, learning_rate=1e-9).fit(images)
    assert clusterer.n_iter_ == 11
    assert abs(clusterer.history_[-1]["loss"] - first[1]) < 0.5 * (first[0] - first[1])
    assert_allclose(clusterer.transform(images), weights, atol=0.2)


def test_warm_start_refuses_another_problem(quick, shapes):
    """Weights of another number of clusters cannot be continued."""
    images, _ = shapes
    clusterer = quick(warm_start=True).fit(images)
    with pytest.raises(ValueError, match="warm_start=True"):
        clusterer.set_params(n_clusters=4).fit(images)
