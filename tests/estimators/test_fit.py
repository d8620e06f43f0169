"""Fits that repeat, end early, fail or go on, and what they leave behind."""

import os
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EarlyStopping

from sklearn_mfavb import (
    AnchorClustering,
    C3Clustering,
    ContrastiveTerms,
    CueCoClustering,
    GCCClustering,
    MFAVBClustering,
    Neighbors,
    SCANClustering,
    Training,
    VTCCClustering,
)

STAGED = {
    AnchorClustering: {"pretrain_epochs": 3},
    C3Clustering: {"pretrain_epochs": 3},
    GCCClustering: {"pretrain_epochs": 3},
    SCANClustering: {"pretext_epochs": 3, "self_label_epochs": 0},
}


def state_of_the_process():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        dict(os.environ),
    )


def test_a_seed_replays_the_fit_and_leaves_the_process_alone(
    estimator_class, make, fitted, images
):
    before = state_of_the_process()
    again = clone(fitted).fit(images)
    assert state_of_the_process() == before
    assert_array_equal(again.labels_, fitted.labels_)
    assert_array_equal(again.transform(images), fitted.transform(images))
    other = clone(fitted).set_params(random_state=1).fit(images)
    assert not np.allclose(other.transform(images), fitted.transform(images))


def test_fits_on_the_cpu_leave_cuda_alone(estimator_class, make, images, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a fit on the CPU touched a CUDA generator")

    names = ("manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state")
    for name in (*names, "get_rng_state", "set_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    make(estimator_class, device="cpu").fit(images).predict(images)


def test_fits_in_two_threads_repeat(make, images, features):
    """Each is what it is alone, and torch's global state stays."""
    problems = [(MFAVBClustering, 0), (SCANClustering, 1), (VTCCClustering, 2)] * 2
    settings = {"encoder": "precomputed", "max_epochs": 4}

    def fit(cls, seed):
        return make(cls, random_state=seed, **settings).fit_transform(features)

    alone = [fit(*problem) for problem in problems[:3]] * 2
    before = state_of_the_process()
    with ThreadPoolExecutor(len(problems)) as pool:
        together = list(pool.map(fit, *zip(*problems, strict=True)))
    for one, other in zip(alone, together, strict=True):
        assert_array_equal(one, other)
    assert state_of_the_process() == before


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_another_default_type_changes_nothing(float64, fitted, images, tiny):
    again = clone(fitted).fit(images)
    assert torch.get_default_dtype() == torch.float64
    assert_array_equal(again.labels_, fitted.labels_)
    assert again.transform(images).dtype == np.float32
    assert {p.dtype for p in again.model_.network.parameters()} == {torch.float32}
    assert_array_equal(fitted.predict(images), fitted.labels_)


def test_inference_mode_is_no_hindrance(fitted, images):
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            again = clone(fitted).fit(images)
            assert_array_equal(again.predict(images), fitted.labels_)
        assert_array_equal(again.labels_, fitted.labels_)
        again.set_params(training__warm_start=True).fit(images)


def test_history_has_named_terms_that_add_up(fitted):
    """Epochs are counted over all stages; the terms of a row sum to its loss."""
    n_epochs = len(fitted.history_)
    assert [row["epoch"] for row in fitted.history_] == list(range(1, n_epochs + 1))
    assert fitted.n_iter_ == fitted.max_epochs_ == n_epochs >= 2
    for row in fitted.history_:
        terms = [row[name] for name in row if name.endswith("_loss")]
        assert terms
        assert sum(terms) == pytest.approx(row["loss"], rel=1e-4, abs=1e-5)
        assert row["seconds"] > 0


def test_pickles_carry_weights_and_nothing_else(make, images):
    """Neither the optimizer's state, nor images, nor a checkpoint.

    Of the images only what was found in them and what tells outliers are kept.
    """
    sizes = []
    for repeats in (1, 20):
        clusterer = make(VTCCClustering, max_epochs=1, batch_size=2000)
        fitted = clusterer.fit(images.repeat(repeats, axis=0))
        found = (fitted.labels_, fitted.embedding_, fitted.probabilities_)
        known = sum(each.nbytes for each in found)
        known += fitted.model_.outliers.typical.nbytes
        sizes.append(len(pickle.dumps(fitted)) - known)
    network = fitted.model_.network
    weights = sum(4 * weight.numel() for weight in network.parameters())
    assert sizes[0] < 1.2 * weights + 80_000
    assert sizes[1] < sizes[0] + 1000


@pytest.mark.parametrize("at_its_end", [False, True])
@pytest.mark.parametrize("epoch", [2, 5])
def test_ctrl_c_ends_the_fit(estimator_class, make, images, stop_at, epoch, at_its_end):
    """The stage that is cut is the last, and a warning counts what is complete."""
    stages = STAGED.get(estimator_class, {})
    training = stop_at(epoch, at_its_end=at_its_end)
    clusterer = make(estimator_class, training=training, max_epochs=6, **stages)
    n_complete = epoch - (not at_its_end)
    n_before = 3 if stages and epoch > 3 else 0
    n_wanted = 3 if stages and epoch < 3 else 6
    wanted = rf"after {n_complete - n_before} of max_epochs={n_wanted} epochs"
    with pytest.warns(ConvergenceWarning, match=wanted) as caught:
        clusterer.fit(images)
    assert clusterer.n_iter_ == len(clusterer.history_) == n_complete
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    [warning] = [each for each in caught if "max_epochs=" in str(each.message)]
    assert warning.filename == __file__


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, images, stop_at):
    """Ctrl-C in the first epoch is a failure: nothing was learned."""
    copy = pickle.loads(pickle.dumps(fitted))
    before = {name: value for name, value in vars(copy).items() if name[-1] == "_"}
    named = pd.DataFrame(images.reshape(90, -1)).add_prefix("pixel")
    diverge = {"training": None, "augmentation": lambda batch: batch * float("nan")}
    for parameters, X, error in (
        ({"training": stop_at(1)}, images, KeyboardInterrupt),
        ({"training": stop_at(2, ZeroDivisionError)}, named, ZeroDivisionError),
        ({"training": None}, images[:2], ValueError),
        (diverge, images, FloatingPointError),
    ):
        with pytest.raises(error):
            copy.set_params(**parameters).fit(X)
        after = {n: value for n, value in vars(copy).items() if n[-1] == "_"}
        assert after.keys() == before.keys()
        assert all(after[name] is before[name] for name in before)
        assert_array_equal(copy.predict(images), fitted.labels_)


def test_callbacks_of_skorch_work(estimator_class, make, images):
    """Early stopping on the training loss ends a fit, named or not."""
    stop = EarlyStopping(
        "train_loss",
        patience=1,
        threshold=1000.0,
        threshold_mode="abs",  # losses may be negative
        sink=lambda _: None,
    )
    for callback in (stop, ("stop", stop)):
        training = Training(callbacks=[callback])
        with pytest.warns(ConvergenceWarning, match="stopped after"):
            make(estimator_class, max_epochs=9, training=training).fit(images)
    for callback in (3, len, ("name", 3)):
        training = Training(callbacks=[callback])
        with pytest.raises(TypeError, match="callbacks must be skorch callbacks"):
            make(estimator_class, training=training).fit(images)


def test_warm_start_continues(estimator_class, make, images):
    training = Training(warm_start=True)
    clusterer = make(estimator_class, training=training, max_epochs=3).fit(images)
    clusterer = pickle.loads(pickle.dumps(clusterer))
    weights = [w.clone() for w in clusterer.model_.network.backbone.parameters()]
    n_before = clusterer.n_iter_
    clusterer.set_params(max_epochs=1, training__learning_rate=1e-9).fit(images)
    assert clusterer.n_iter_ > n_before
    epochs = [row["epoch"] for row in clusterer.history_]
    assert epochs == list(range(1, clusterer.n_iter_ + 1))
    after = clusterer.model_.network.backbone.parameters()
    for weight, other in zip(weights, after, strict=True):
        torch.testing.assert_close(weight, other, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="warm_start=True"):
        clusterer.set_params(n_clusters=4).fit(images)


def test_parameters_reach_the_loop_and_the_loss(
    estimator_class, make, images, recorded
):
    loop = {"learning_rate": 0.002, "weight_decay": 0.3, "schedule": "constant"}
    record, training = recorded(precision="bfloat16", **loop)
    settings = {"training": training}
    has_terms = "objective" in estimator_class().get_params()
    if has_terms:
        terms = ContrastiveTerms(instance_temperature=0.2, cluster_weight=0.4)
        settings.update(objective=terms, balance=0.25)
    make(estimator_class, **settings).fit(images)
    for net in record.nets:
        groups = net.optimizer_.param_groups
        assert {group["weight_decay"] for group in groups} == {0.3, 0.0}
        assert net.autocast_dtype == torch.bfloat16
    assert record.nets[0].optimizer_.param_groups[0]["initial_lr"] == 0.002
    if has_terms:
        criterion = record.nets[0].criterion_
        assert criterion.instance_contrast.temperature == 0.2
        assert criterion.cluster_weight == 0.4
        assert criterion.balance_weight == 0.25


@pytest.mark.parametrize(
    "cls", [MFAVBClustering, VTCCClustering, CueCoClustering, SCANClustering]
)
def test_parameters_of_neighbors_reach_the_search(make, images, cls, monkeypatch):
    from sklearn_mfavb import positives

    found, search = [], positives.nearest_neighbors

    def note(rows, n_neighbors, **keywords):
        found.append((len(rows[0]), n_neighbors))
        return search(rows, n_neighbors, **keywords)

    monkeypatch.setattr(positives, "nearest_neighbors", note)
    neighbors = Neighbors(4, space="embedding", refresh=2)
    make(cls, positives=neighbors, max_epochs=6).fit(images)
    assert found == [(16, 4)] * (1 if cls is SCANClustering else 2)
    found.clear()
    make(cls, positives=Neighbors(7, space="pixels")).fit(images)
    assert found == [(64, 7)]


def test_weight_decay_spares_what_has_no_scale(estimator_class, make, images, recorded):
    record, training = recorded()
    make(estimator_class, training=training).fit(images)
    for net in record.nets:
        parts = net.module_, net.criterion_
        named = chain.from_iterable(part.named_parameters() for part in parts)
        names = {id(weight): name for name, weight in named}
        decaying, spared = (
            {names[id(weight)]: weight.ndim for weight in group["params"]}
            for group in net.optimizer_.param_groups
        )
        assert all(name.endswith("weight") for name in decaying)
        assert any(name.endswith("bias") for name in spared)
        assert "backbone.class_token" in spared
        for name, n_dims in spared.items():
            own_name = name.rpartition(".")[2]
            is_named = own_name in {"class_token", "centers", "prototypes"}
            assert n_dims == 1 or is_named, name
        if estimator_class is AnchorClustering:
            assert "cluster_heads.0.centers" in spared


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fit_and_prediction_run_in_one_arithmetic(
    estimator_class, make, images, tiny_backbone, precision
):
    """Between epochs and stages too, and the labels of fit are those of predict."""
    seen = []

    def build(**shape):
        backbone = tiny_backbone(**shape)
        backbone.register_forward_hook(
            lambda *call: seen.append(torch.is_autocast_enabled("cpu"))
        )
        return backbone

    training = Training(precision=precision)
    clusterer = make(estimator_class, backbone=build, training=training).fit(images)
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    assert clusterer.transform(images).dtype == np.float32
    assert set(seen) == {precision == "bfloat16"}


def test_empty_clusters_are_told_where_the_user_is(make):
    images = np.full((20, 8, 8), 7, dtype=np.uint8)
    told = r"Only 1 of n_clusters=3 .*sizes \["
    with pytest.warns(ConvergenceWarning, match=told) as caught:
        labels = make(MFAVBClustering).fit_predict(images)
    assert len(set(labels)) == 1
    assert caught[-1].filename == __file__


def test_a_sound_fit_is_silent(features):
    settings = {"encoder": "precomputed", "assignment": "mixture", "max_epochs": 10}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clusterer = VTCCClustering(3, random_state=0, **settings)
        clusterer.fit(features).predict(features)
