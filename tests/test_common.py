"""scikit-learn's checks over every estimator of the table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sklearn_mfavb import Training, ViT, estimators
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.estimators import BaseImageClusterer


class TinyBackbone:
    """Build a transformer of one layer, 16 wide, that sees features alone.

    The name of a test shows it, and must be the same in every process.
    """

    def __call__(self, *, image_size, n_channels, feature_dims):
        """Build it."""
        assert image_size is None
        return ConvStemViT(
            None,
            n_channels=n_channels,
            patch_size=1,
            embed_dim=16,
            n_heads=2,
            depth=1,
            feature_dims=feature_dims,
        )

    def __repr__(self):
        """Return the constructing expression."""
        return "TinyBackbone()"


def make_small(estimator_class):
    """Make a quick estimator of rows of features.

    One check asks for the clusters of 50 points: a head that has seen them for five
    epochs is not ready for that, k-means on the embedding is.
    """
    is_fusing = estimator_class.__name__ == "MFAVBClustering"
    backbone = ViT(embed_dim=16, n_heads=2) if is_fusing else TinyBackbone()
    return estimator_class(
        encoder="precomputed",
        assignment="kmeans",
        backbone=backbone,
        max_epochs=5,
        batch_size=16,
        training=Training(precision="float32"),
    )


ESTIMATORS = [
    make_small(item)
    for item in map(vars(estimators).get, estimators.__all__)
    if isinstance(item, type)
    and issubclass(item, BaseImageClusterer)
    and item is not BaseImageClusterer
]


# These two compare embeddings with an absolute tolerance of 1e-7, though entries near
# zero are sums of float32 terms of size 1: products of one row and of twenty differ by
# 1e-6. Whether they pass depends on the processor; the test below asks for rounding.
BEYOND_FLOAT32 = {
    name: "entries of float32 embeddings are compared with a tolerance of 1e-7"
    for name in (
        "check_methods_subset_invariance",
        "check_methods_sample_order_invariance",
    )
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda estimator: BEYOND_FLOAT32
)
def test_scikit_learn_checks(estimator, check):
    """The estimator is a good citizen of scikit-learn."""
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_rows_do_not_depend_on_the_others(estimator, method):
    """One by one and in another order rows give the same, but for rounding."""
    X = np.random.default_rng(0).normal(size=(20, 3))
    apply = getattr(clone(estimator).set_params(random_state=1).fit(X), method)
    together = apply(X)
    one_by_one = np.concatenate([apply(X[i : i + 1]) for i in range(20)])
    assert_allclose(one_by_one, together, atol=1e-4)
    assert_allclose(apply(X[::-1])[::-1], together, atol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_enough_checks_are_collected(estimator):
    """A green run is not an empty one: at least 50 checks apply."""
    assert len(list(estimator_checks_generator(estimator))) >= 50


def test_every_method_is_checked():
    """The table holds all six methods."""
    assert len(ESTIMATORS) >= 6
