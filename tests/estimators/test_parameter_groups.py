"""Groups of parameters inside an estimator, as scikit-learn's tools see them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_mfavb import (
    Augmentation,
    CueCoClustering,
    MFAVBClustering,
    Neighbors,
    SCANClustering,
    Training,
    ViT,
    VTCCClustering,
)


def test_parameters_of_groups_are_listed_and_set(estimator_class):
    """Although the group is None, as it is by default."""
    estimator = estimator_class()
    assert estimator.training is None
    params = estimator.get_params()
    assert params["training__learning_rate"] == 1e-3
    assert params["reading__on_error"] == "raise"
    estimator.set_params(training__learning_rate=0.1, reading__resize="pad")
    assert repr(estimator.training) == "Training(learning_rate=0.1)"
    assert "training=Training(learning_rate=0.1)" in repr(estimator)
    assert repr(estimator_class()) == f"{estimator_class.__name__}()"
    assert estimator.get_params()["reading__resize"] == "pad"
    estimator.set_params(training=Training(weight_decay=0.5), training__warmup_epochs=9)
    assert estimator.training.get_params() == {
        **Training().get_params(),
        "weight_decay": 0.5,
        "warmup_epochs": 9,
    }
    with pytest.raises(ValueError, match="no_such_parameter"):
        estimator.set_params(training__no_such_parameter=1)


def test_two_estimators_share_nothing(estimator_class):
    """A clone has its own groups; setting one estimator's leaves the other's alone."""
    first, second = estimator_class(), estimator_class()
    first.set_params(training__learning_rate=0.5)
    assert second.get_params()["training__learning_rate"] == 1e-3
    copy = clone(first)
    copy.set_params(training__learning_rate=0.25)
    assert first.training is not copy.training
    assert first.training.learning_rate == 0.5
    assert copy.get_params()["training__learning_rate"] == 0.25


def test_constructor_and_fit_leave_parameters_alone(estimator_class, make, images):
    """What was passed is what is there, the same objects, also after a fit."""
    training, augmentation = Training(warmup_epochs=1), Augmentation("none")
    estimator = make(estimator_class, training=training, augmentation=augmentation)
    before = estimator.get_params()
    estimator.fit(images[:20])
    after = estimator.get_params()
    assert before.keys() == after.keys()
    assert all(after[name] is before[name] for name in before)
    assert estimator.training is training


@pytest.mark.parametrize(
    ("cls", "grid"),
    [
        (MFAVBClustering, {"positives__n_neighbors": [1, 5]}),
        (SCANClustering, {"positives__n_neighbors": [2, 7]}),
        (MFAVBClustering, {"objective__instance_temperature": [0.1, 0.9]}),
        (VTCCClustering, {"training__learning_rate": [1e-4, 1e-2]}),
        (VTCCClustering, {"augmentation__features": ["noise", "none"]}),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_grid_search_reaches_into_groups(make, features, cls, grid):
    """The values of a group's parameter are tried, and the best is set."""
    estimator = make(
        cls,
        encoder="precomputed",
        positives=Neighbors(3),
        augmentation=Augmentation(),
        max_epochs=1,
    )
    search = GridSearchCV(estimator, grid, cv=2).fit(features)
    [(name, values)] = grid.items()
    tried = [params[name] for params in search.cv_results_["params"]]
    assert tried == values
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.get_params()[name] in values


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (MFAVBClustering, "n_clusters", 0),
        (MFAVBClustering, "contrast", "nowhere"),
        (MFAVBClustering, "augmentation", "sepia"),
        (MFAVBClustering, "image_size", 0),
        (MFAVBClustering, "image_size", (7.5, 8)),
        (MFAVBClustering, "image_size", [8, 8, 8]),
        (MFAVBClustering, "positives", "friends"),
        (MFAVBClustering, "max_epochs", 0),
        (MFAVBClustering, "assignment", "coin"),
        (MFAVBClustering, "n_cluster_heads", 0),
        (MFAVBClustering, "device", 3),
        (MFAVBClustering, "encoder", 3),
        (MFAVBClustering, "training", "fast"),
        (CueCoClustering, "assignment", "head"),
        (MFAVBClustering, "training__learning_rate", -1.0),
        (MFAVBClustering, "training__precision", "float8"),
        (MFAVBClustering, "reading__on_error", "shrug"),
        (MFAVBClustering, "reading__pixel_range", (1, 0)),
        (MFAVBClustering, "objective__cluster_temperature", 0.0),
        (MFAVBClustering, "positives__n_neighbors", 0),
        (MFAVBClustering, "positives__space", "nowhere"),
        (MFAVBClustering, "augmentation__features", "loud"),
        (MFAVBClustering, "augmentation__encoded_views", -1),
        (MFAVBClustering, "backbone__patch_size", 0),
    ],
)
def test_bad_parameters_are_named(make, images, cls, name, value):
    """The error names the parameter, of a group or not, and what it may be."""
    group, _, nested = name.partition("__")
    given = {"positives": Neighbors, "augmentation": Augmentation, "backbone": ViT}
    estimator = make(cls)
    if nested and group in given:
        estimator.set_params(**{group: given[group]()})
    estimator.set_params(**{name: value})
    with pytest.raises(ValueError, match=nested or group):
        estimator.fit(images)
    assert not hasattr(estimator, "model_")
