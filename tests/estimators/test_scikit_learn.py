"""MFAVBClustering among scikit-learn's tools."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.metrics import clustering_accuracy_scorer

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def test_clone_copies_every_parameter(quick):
    """A clone has the parameters and nothing learned."""
    clusterer = quick(contrast="within_pair", n_neighbors=3, image_size=(8, 9))
    copy = clone(clusterer)
    assert copy.get_params() == clusterer.get_params()
    assert not hasattr(copy, "net_")


@pytest.mark.parametrize("verbose", [0, 1])
def test_pickle_round_trip(quick, shapes, verbose):
    """A fitted estimator survives pickling, with embeddings bit for bit."""
    images, _ = shapes
    fitted = quick(verbose=verbose, neighbor_space="embedding").fit(images)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict(images), fitted.labels_)
    assert_array_equal(copy.transform(images), fitted.transform(images))


def test_joblib_round_trip(fitted, shapes, tmp_path):
    """joblib.dump and load keep the labels."""
    images, _ = shapes
    joblib.dump(fitted, tmp_path / "model.joblib")
    assert_array_equal(
        joblib.load(tmp_path / "model.joblib").predict(images), fitted.labels_
    )


def test_pickled_model_carries_no_images(quick, shapes):
    """The size of a model does not grow with the images it was fitted on."""
    images, _ = shapes
    buffers = [io.BytesIO(), io.BytesIO()]
    for buffer, repeats in zip(buffers, (1, 20), strict=True):
        fitted = quick(max_epochs=1, batch_size=2000).fit(images.repeat(repeats, 0))
        pickle.dump(fitted, buffer)
    smaller, larger = (buffer.tell() for buffer in buffers)
    labels_growth = 19 * 90 * 8
    assert larger - smaller < labels_growth + 10_000


def test_pipeline_ends_in_labels(quick, shapes):
    """The estimator is the last step of a pipeline."""
    images, _ = shapes
    pipeline = make_pipeline(FunctionTransformer(lambda batch: batch[:, ::-1]), quick())
    labels = pipeline.fit_predict(images)
    assert_array_equal(pipeline.predict(images), labels)


def test_pipeline_goes_on_from_the_embedding(quick, shapes):
    """As a transformer it hands its embedding to the next step."""
    images, _ = shapes
    scaled = make_pipeline(quick(), StandardScaler()).fit_transform(images)
    assert scaled.shape == (90, 16)
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)


def test_set_output_pandas(quick, shapes):
    """Embeddings come as a dataframe with names."""
    images, _ = shapes
    rows = (
        pd.DataFrame(images.reshape(90, -1))
        .add_prefix("pixel")
        .set_index(np.arange(90) + 5)
    )
    frame = quick().set_output(transform="pandas").fit_transform(rows)
    assert list(frame.columns) == [f"mfavbclustering{i}" for i in range(16)]
    assert list(frame.index) == list(rows.index)


def test_feature_names_out(fitted):
    """One name per unit of the embedding."""
    names = fitted.get_feature_names_out()
    assert len(names) == 16
    assert names[0] == "mfavbclustering0"


def test_grid_search_without_labels(quick, shapes):
    """The estimator's own score chooses between settings, label-free."""
    images, _ = shapes
    search = GridSearchCV(
        quick(), {"n_clusters": [1, 3], "max_epochs": [1, 4]}, cv=2
    ).fit(images)
    assert search.best_params_["n_clusters"] == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("scoring", [clustering_accuracy_scorer, "adjusted_rand_score"])
def test_grid_search_with_labels(quick, shapes, scoring):
    """With labels any clustering scorer works."""
    images, kinds = shapes
    search = GridSearchCV(
        quick(),
        {"contrast": ["across_pairs", "within_pair"], "n_neighbors": [2, 5]},
        scoring=scoring,
        cv=2,
    ).fit(images, kinds)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.gpu
def test_model_of_a_gpu_predicts_the_same_on_the_cpu(quick, shapes):
    """Labels and, nearly, embeddings agree between devices."""
    images, _ = shapes
    fitted = quick(device="cuda", precision="float32").fit(images)
    embedding = fitted.transform(images)
    fitted.net_.set_params(device="cpu")
    fitted.net_.module_.to(torch.device("cpu"))
    assert_allclose(fitted.transform(images), embedding, rtol=1e-2, atol=1e-3)


def test_verbose_parameters_stay_as_given():
    """Nothing is changed by the constructor."""
    callbacks = []
    assert MFAVBClustering(callbacks=callbacks).callbacks is callbacks
