"""Features on their way through scikit-learn's pipelines."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def features():
    """Draw features of the shapes."""
    return np.random.default_rng(0).standard_normal((90, 7))


@pytest.fixture
def routing():
    """Turn on metadata routing."""
    with config_context(enable_metadata_routing=True):
        yield


def make_chain(clusterer):
    """Put a step that changes nothing in front."""
    return make_pipeline(FunctionTransformer(), clusterer)


def test_pipeline_passes_features(routing, quick, shapes, features):
    """Features that fit and predict request reach them through a pipeline."""
    images, _ = shapes
    clusterer = (
        quick(clip="precomputed")
        .set_fit_request(clip_features=True)
        .set_predict_request(clip_features=True)
    )
    pipeline = make_chain(clusterer).fit(images, clip_features=features)
    labels = quick(clip="precomputed").fit_predict(images, clip_features=features)
    assert_array_equal(pipeline[-1].labels_, labels)
    assert_array_equal(pipeline.predict(images, clip_features=features), labels)


@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_pipeline_passes_features_to_other_methods(
    routing, quick, shapes, features, method
):
    """Every method that takes features has a request for them."""
    images, _ = shapes
    clusterer = quick(clip="precomputed").set_fit_request(clip_features=True)
    # Not of score: Pipeline.score always routes sample_weight, which it has not.
    getattr(clusterer, f"set_{method}_request")(clip_features=True)
    pipeline = make_chain(clusterer).fit(images, clip_features=features)
    assert_array_equal(
        getattr(pipeline, method)(images, clip_features=features),
        getattr(pipeline[-1], method)(images, clip_features=features),
    )


def test_features_that_are_not_requested_are_an_error(routing, quick, shapes, features):
    """A pipeline refuses features that no step has asked for."""
    images, _ = shapes
    with pytest.raises(ValueError, match="clip_features"):
        make_chain(quick(clip="precomputed")).fit(images, clip_features=features)
