"""MFAVBClustering: images in, labels out."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.metrics import clustering_accuracy

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def test_recovers_the_kinds_of_shapes():
    """Three kinds of shapes are found far better than chance and than k-means."""
    images, kinds = make_shape_images(300, n_clusters=3, image_size=8, random_state=0)
    labels = MFAVBClustering(
        3, max_epochs=20, batch_size=64, random_state=0
    ).fit_predict(images)
    assert clustering_accuracy(kinds, labels) > 0.9


def test_labels_are_those_of_predict(fitted, shapes):
    """labels_ equals predict on the training images exactly."""
    images, _ = shapes
    assert_array_equal(fitted.labels_, fitted.predict(images))
    assert fitted.labels_.dtype == np.int64


def test_probabilities_agree_with_labels(fitted, shapes):
    """Rows of predict_proba sum to one and peak at the label."""
    images, _ = shapes
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (90, 3)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(probabilities.argmax(axis=1), fitted.labels_)


@pytest.mark.parametrize("batch_size", [1, 7, 90, 1000])
def test_results_do_not_depend_on_the_batch_size(fitted, shapes, batch_size):
    """Prediction in any batch size gives the same labels and embeddings."""
    images, _ = shapes
    embedding = fitted.transform(images)
    other = fitted.__sklearn_clone__()
    other.__dict__.update(fitted.__dict__)
    other.batch_size = batch_size
    assert_array_equal(other.predict(images), fitted.labels_)
    assert_allclose(other.transform(images), embedding, rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[1, 2])
def n_threads(request):
    """Let torch use one thread or two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("n_samples", [7, 10, 90])
def test_results_do_not_depend_on_the_order(fitted, shapes, n_threads, n_samples):
    """Shuffled images get shuffled results, bit for bit."""
    images = shapes[0][:n_samples]
    order = np.random.default_rng(0).permutation(n_samples)
    for method in (fitted.transform, fitted.predict_proba, fitted.predict):
        assert_array_equal(method(images[order]), method(images)[order])


@pytest.mark.parametrize("n_samples", [1, 7, 10])
def test_an_image_alone_is_what_it_is_in_company(fitted, shapes, n_threads, n_samples):
    """A part of the images gets what it gets among all."""
    images, _ = shapes
    part = fitted.transform(images[:n_samples])
    assert_allclose(part, fitted.transform(images)[:n_samples], rtol=1e-5, atol=1e-6)


def test_shuffled_images_keep_their_labels(fitted, shapes):
    """Shuffled images get shuffled labels."""
    images, _ = shapes
    order = np.random.default_rng(0).permutation(len(images))
    assert_array_equal(fitted.predict(images[order]), fitted.labels_[order])
    assert_allclose(
        fitted.transform(images[order]),
        fitted.transform(images)[order],
        rtol=1e-4,
        atol=1e-5,
    )


def test_same_seed_same_labels_and_global_state_untouched(quick, shapes):
    """Two fits with one seed agree bit by bit; another seed differs."""
    images, _ = shapes
    torch.manual_seed(5)
    np.random.seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = quick().fit(images), quick().fit(images)
    assert_array_equal(torch.get_rng_state(), states[0])
    assert_array_equal(np.random.get_state()[1], states[1])
    assert_array_equal(first.transform(images), second.transform(images))
    other = quick(random_state=1).fit(images)
    assert not np.allclose(first.transform(images), other.transform(images))


@pytest.mark.parametrize(
    "parameters",
    [
        {"contrast": "within_pair"},
        {"fused_depth": 0},
        {"n_blocks": 3, "shared_depth": 0, "fused_depth": 1},
        {"positives": "augmentation"},
        {"positives": "neighbors", "neighbor_space": "embedding"},
        {"augmentation": "none"},
        {"augmentation": "aerial"},
        {"precision": "bfloat16"},
        {"patch_size": 4, "n_heads": 4, "embed_dim": 32},
        {"image_size": 12},
        {"image_size": (8, 12)},
        {"batch_size": 1000},
        {"batch_size": 1},
        {"batch_size": 89},
        {"instance_weight": 0.0},
    ],
    ids=str,
)
def test_every_setting_fits(quick, shapes, parameters):
    """Settings of all kinds give finite losses and a label for every image."""
    images, _ = shapes
    n_samples = 12 if parameters.get("batch_size") == 1 else 90
    clusterer = quick(neighbor_refresh=1, **parameters).fit(images[:n_samples])
    assert clusterer.labels_.shape == (n_samples,)
    assert all(np.isfinite(list(row.values())).all() for row in clusterer.history_)


def test_history_has_named_terms_that_add_up(fitted):
    """One row per epoch; the terms sum to the loss."""
    assert [row["epoch"] for row in fitted.history_] == [1, 2, 3]
    assert fitted.n_iter_ == 3
    for row in fitted.history_:
        terms = (
            row["instance_loss"]
            + row["cluster_loss"]
            + row["balance_loss"]
            + row["information_loss"]
        )
        assert terms == pytest.approx(row["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("n_samples", "n_clusters", "batch_size"),
    [(1797, 10, 225), (10_000, 10, 256), (50, 3, 24), (3, 1, 8)],
)
def test_automatic_batches_give_few_images_several_steps(
    n_samples, n_clusters, batch_size
):
    """An eighth of the images, at least 8 per cluster, at most 256."""
    clusterer = MFAVBClustering(n_clusters, contrast="within_pair")
    assert clusterer._resolve_batch_size(n_samples) == batch_size
    assert MFAVBClustering(batch_size=7)._resolve_batch_size(n_samples) == 7


@pytest.mark.parametrize(
    ("parameters", "batch_size"),
    [
        ({}, 113),
        ({"fused_depth": 0}, 225),
        ({"fused_depth": 0, "contrast": "across_pairs"}, 113),
        ({"clip": "precomputed"}, 225),
        ({"clip": "precomputed", "image_tokens": True}, 113),
        ({"backbone": "resnet18"}, 225),
    ],
)
def test_two_pairs_halve_automatic_batches(parameters, batch_size):
    """A step has as many views whether an image has one pair or two."""
    clusterer = MFAVBClustering(10, **parameters)
    assert clusterer._resolve_batch_size(1797) == batch_size


def test_one_image_and_one_cluster(quick, shapes):
    """The smallest problem has a solution; the next is an error that says so."""
    images, _ = shapes
    assert quick(1).fit_predict(images[:1]).tolist() == [0]
    with pytest.raises(ValueError, match=r"n_samples=1 should be >= n_clusters=2"):
        quick(2).fit(images[:1])


def test_as_many_clusters_as_images(quick, shapes):
    """K = n is allowed and labels stay in range."""
    images, _ = shapes
    labels = quick(5).fit_predict(images[:5])
    assert set(labels) <= set(range(5))


def test_identical_images_do_not_crash(quick):
    """A batch of identical images has one cluster, and a warning says so."""
    images = np.full((20, 8, 8), 7, dtype=np.uint8)
    with pytest.warns(ConvergenceWarning, match=r"Only 1 of n_clusters=3 .*sizes \["):
        labels = quick().fit_predict(images)
    assert len(set(labels)) == 1


def test_users_module_is_never_trained_in_place(quick, shapes):
    """An augmentation module with weights is copied before training."""
    images, _ = shapes
    module = torch.nn.BatchNorm2d(1)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    quick(augmentation=torch.nn.Sequential(module, torch.nn.Sigmoid())).fit(images)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_verbosity(quick, shapes, capsys):
    """0 is silent, 1 shows a bar, 2 a table of the losses."""
    images, _ = shapes
    quick().fit(images)
    assert capsys.readouterr() == ("", "")
    quick(verbose=1).fit(images)
    assert "epoch" in capsys.readouterr().err
    quick(verbose=2).fit(images)
    assert "instance_loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_clusters", 0),
        ("contrast", "nowhere"),
        ("augmentation", "sepia"),
        ("image_size", 0),
        ("learning_rate", -1.0),
        ("precision", "float8"),
        ("positives", "friends"),
        ("max_epochs", 0),
        ("device", 3),
    ],
)
def test_bad_parameters_are_named(quick, shapes, parameter, value):
    """The error names the parameter and what it may be."""
    images, _ = shapes
    with pytest.raises(ValueError, match=parameter):
        quick(**{parameter: value}).fit(images)


def test_predict_before_fit_is_refused(quick, shapes):
    """An unfitted estimator says so."""
    images, _ = shapes
    for method in ("predict", "predict_proba", "transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(images)


def test_no_warning_when_all_is_well(shapes):
    """A sound fit is silent."""
    images, _ = shapes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MFAVBClustering(3, max_epochs=15, batch_size=32, random_state=0).fit(images)
