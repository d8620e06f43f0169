"""New images, one or many, in any order; the score; the smallest problems."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_mfavb import VTCCClustering
from sklearn_mfavb.metrics import neighbor_agreement
from sklearn_mfavb.neighbors import nearest_neighbors, pixel_features


@pytest.fixture
def refitted(fitted):
    copy = clone(fitted)
    copy.__dict__.update(fitted.__dict__)
    return copy


@pytest.mark.parametrize(
    ("n_images", "batch_size", "sizes"),
    [(1, 17, [1]), (18, 17, [9, 9]), (17, 17, [17]), (90, "auto", [90])],
)
def test_no_row_is_computed_for_nothing(refitted, images, n_images, batch_size, sizes):
    seen = []
    refitted.set_params(batch_size=batch_size)
    hook = refitted.model_.network.backbone.register_forward_hook(
        lambda module, views, embedding: seen.append(len(embedding))
    )
    refitted.predict(images[:n_images])
    hook.remove()
    assert seen == sizes


@pytest.mark.parametrize("n_samples", [1, 7, 90])
def test_order_and_company_change_nothing(refitted, images, n_samples):
    refitted.set_params(training__precision="float32")
    part, order = images[:n_samples], np.random.default_rng(0).permutation(n_samples)
    for method in ("transform", "predict_proba"):
        call = getattr(refitted, method)
        result = call(part)
        assert_array_equal(call(part[order]), result[order])
        assert_allclose(result, call(images)[:n_samples], rtol=1e-3, atol=1e-4)


def test_the_smallest_problems(estimator_class, make, images):
    assert make(estimator_class, 1).fit_predict(images[:1]).tolist() == [0]
    assert set(make(estimator_class, 5).fit_predict(images[:5])) <= set(range(5))
    with pytest.raises(ValueError, match=r"n_samples=5 should be >= n_clusters=6"):
        make(estimator_class, 6).fit(images[:5])


@pytest.mark.parametrize("batch_size", [1, 89, 1000])
def test_any_batch_size_trains(estimator_class, make, images, batch_size):
    n_samples = 6 if batch_size == 1 else 90
    clusterer = make(estimator_class, 2, batch_size=batch_size)
    clusterer.fit(images[:n_samples])
    assert clusterer.labels_.shape == (n_samples,)
    assert all(np.isfinite(row["loss"]) for row in clusterer.history_)


def test_score_is_the_agreement_with_neighbors(fitted, images, shapes):
    """By pixels, without classes, and the same each time."""
    rows = pixel_features(torch.from_numpy(images)[:, None])
    neighbors = nearest_neighbors(rows, 10)
    score = fitted.score(images)
    assert score == pytest.approx(neighbor_agreement(fitted.labels_, neighbors))
    assert score == fitted.score(images, y=shapes[1])
    for n_samples in (1, 2):
        assert np.isfinite(fitted.score(images[:n_samples]))
    with pytest.raises(NotFittedError):
        clone(fitted).score(images)


@pytest.mark.gpu
def test_a_model_of_a_gpu_predicts_the_same_on_the_cpu(make, images, tiny):
    """Pickles hold their networks on the CPU, what is fitted stays where it is."""
    clusterer = make(VTCCClustering, encoder=tiny(device="cuda"), device="cuda")
    clusterer.set_params(training__precision="float32").fit(images)
    state = clusterer.model_.__getstate__()
    for name in ("network", "assigner"):
        assert {t.device.type for t in state[name].state_dict().values()} == {"cpu"}
    assert clusterer.model_.device.type == "cuda"
    copy = pickle.loads(pickle.dumps(clusterer))
    assert_array_equal(copy.predict(images), clusterer.labels_)
    embedding = clusterer.transform(images)
    assert_allclose(copy.transform(images), embedding, rtol=1e-2, atol=1e-2)


def test_a_stream_passes_the_encoder(make, images, tiny):
    """Batches need nothing of the training images."""
    clusterer = make(VTCCClustering, encoder=tiny(device="cpu")).fit(images)
    labels = list(clusterer.predict(iter([images[:50], images[50:]])))
    assert_array_equal(np.concatenate(labels), clusterer.labels_)


def test_labels_take_no_memory_for_probabilities(make, features):
    """Labels of a block are kept, not the probabilities of all images."""
    n_samples, n_clusters = 20_000, 60
    clusterer = make(VTCCClustering, n_clusters, encoder="precomputed", max_epochs=1)
    clusterer.fit(features)
    many = np.tile(features.astype(np.float32), (n_samples // 90 + 1, 1))[:n_samples]
    tracemalloc.start()
    labels = clusterer.predict(many)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_array_equal(labels, clusterer.predict_proba(many).argmax(axis=1))
    assert peak < 4 * n_samples * n_clusters / 2
