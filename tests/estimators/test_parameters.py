"""Parameters of estimators, and groups of them, as scikit-learn's tools see them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_mfavb import (
    AnchorClustering,
    Augmentation,
    CLIPFeatures,
    ContrastiveTerms,
    CueCoClustering,
    MFAVBClustering,
    Neighbors,
    Reading,
    SCANClustering,
    Training,
    ViT,
    VTCCClustering,
)
from sklearn_mfavb.estimators import BaseImageClusterer

GROUPS = [Augmentation, ContrastiveTerms, Neighbors, Reading, Training, ViT]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_a_small_estimator(group):
    """Parameters are listed, set, cloned, written and pickled; defaults are valid."""
    made = group()
    made._validate_params()
    assert repr(made) == f"{group.__name__}()"
    assert clone(made).get_params() == made.get_params()
    assert pickle.loads(pickle.dumps(made)).get_params() == made.get_params()
    assert made.get_params().keys() == group._parameter_constraints.keys()
    with pytest.raises(ValueError, match="Invalid parameter"):
        made.set_params(no_such=1)


def test_none_stands_for_the_defaults_of_a_group(estimator_class):
    """They are listed one by one; the group itself stays None until one is set."""
    estimator = estimator_class()
    params = estimator.get_params()
    assert params["training"] is None
    assert params["training__learning_rate"] == 1e-3
    assert "training__learning_rate" not in estimator.get_params(deep=False)
    estimator.set_params(training__learning_rate=0.1)
    assert repr(estimator.training) == "Training(learning_rate=0.1)"
    assert repr(estimator).endswith("(training=Training(learning_rate=0.1))")
    assert repr(clone(estimator)) == repr(estimator)
    assert repr(estimator_class()) == f"{estimator_class.__name__}()"
    estimator.set_params(training=None)
    assert estimator.get_params()["training__learning_rate"] == 1e-3


def test_a_group_and_its_parameters_are_set_at_once():
    """As scikit-learn does: first the group, then what is in it."""
    clusterer = MFAVBClustering(training=Training(weight_decay=0.1))
    training = Training(schedule="constant")
    clusterer.set_params(training__learning_rate=0.5, training=training)
    assert clusterer.training is training
    assert repr(training) == "Training(learning_rate=0.5, schedule='constant')"


def test_clones_share_no_group(estimator_class):
    first = estimator_class(training=Training(learning_rate=0.5))
    copy = clone(first).set_params(training__learning_rate=0.25)
    assert first.training.learning_rate == 0.5
    assert copy.training.learning_rate == 0.25


@pytest.mark.parametrize(
    "name", ["no_such", "training__no_such", "no_such__learning_rate"]
)
def test_unknown_parameters_are_refused(name):
    with pytest.raises(ValueError, match="Invalid parameter"):
        MFAVBClustering().set_params(**{name: 1})


@pytest.mark.parametrize("cls", [*BaseImageClusterer.__subclasses__(), CLIPFeatures])
def test_parameters_of_every_estimator_can_be_set_to_what_they_are(cls):
    estimator = cls()
    params = estimator.get_params()
    nested = {key: value for key, value in params.items() if "__" in key}
    after = estimator.set_params(**params).get_params()
    assert nested
    assert {key: after[key] for key in nested} == nested


def test_a_short_form_without_parameters_is_not_replaced():
    """Setting a parameter of a group never gives up what the user chose."""
    with pytest.raises(ValueError, match="positives='augmentation' has no parameters"):
        MFAVBClustering(3, positives="augmentation").set_params(positives__refresh=3)
    with pytest.raises(ValueError, match="backbone='resnet18' has no parameters"):
        MFAVBClustering(3, backbone="resnet18").set_params(backbone__embed_dim=8)
    with pytest.raises(ValueError, match="positives"):
        AnchorClustering(3).set_params(positives__refresh=3)
    scan = SCANClustering(3).set_params(positives__space="embedding")
    assert scan.positives.n_neighbors == 20


@pytest.mark.parametrize(
    ("cls", "name", "values"),
    [
        (SCANClustering, "positives__n_neighbors", [2, 7]),
        (MFAVBClustering, "objective__instance_temperature", [0.1, 0.9]),
        (VTCCClustering, "augmentation__features", ["noise", "none"]),
    ],
)
def test_grid_search_reaches_into_groups(make, features, cls, name, values):
    groups = {"positives": Neighbors(3), "augmentation": Augmentation()}
    estimator = make(cls, encoder="precomputed", max_epochs=1, **groups)
    search = GridSearchCV(estimator, {name: values}, cv=2).fit(features)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.get_params()[name] == search.best_params_[name]


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (MFAVBClustering, "n_clusters", 0),
        (MFAVBClustering, "contrast", "nowhere"),
        (MFAVBClustering, "augmentation", "sepia"),
        (MFAVBClustering, "image_size", 0),
        (MFAVBClustering, "positives", "friends"),
        (MFAVBClustering, "max_epochs", 0),
        (MFAVBClustering, "assignment", "coin"),
        (MFAVBClustering, "device", 3),
        (MFAVBClustering, "encoder", 3),
        (MFAVBClustering, "training", "fast"),
        (MFAVBClustering, "reading", Training()),
        (CueCoClustering, "assignment", "head"),
        (MFAVBClustering, "training__learning_rate", -1.0),
        (MFAVBClustering, "training__precision", "float8"),
        (MFAVBClustering, "reading__on_error", "shrug"),
        (MFAVBClustering, "reading__pixel_range", (1, 0)),
        (MFAVBClustering, "objective__instance_temperature", 0.0),
        (MFAVBClustering, "objective__cluster_temperature", -1.0),
        (MFAVBClustering, "objective__instance_weight", -1.0),
        (MFAVBClustering, "objective__cluster_weight", "heavy"),
        (MFAVBClustering, "objective__information_weight", None),
        (MFAVBClustering, "positives__n_neighbors", 0),
        (MFAVBClustering, "positives__space", "nowhere"),
        (MFAVBClustering, "positives__refresh", 0),
        (MFAVBClustering, "augmentation__features", "loud"),
        (MFAVBClustering, "augmentation__encoded_views", -1),
        (MFAVBClustering, "backbone__embed_dim", 0),
        (MFAVBClustering, "backbone__n_heads", 0),
        (MFAVBClustering, "backbone__patch_size", 0),
    ],
)
def test_bad_parameters_are_named(make, cls, name, value):
    group, _, nested = name.partition("__")
    given = {"positives": Neighbors, "augmentation": Augmentation, "backbone": ViT}
    estimator = make(cls)
    if nested and group in given:
        estimator.set_params(**{group: given[group]()})
    estimator.set_params(**{name: value})
    owner = getattr(estimator, group) if nested else estimator
    message = rf"{nested or group}('? parameter of {type(owner).__name__})? must be"
    with pytest.raises(ValueError, match=message):
        estimator.fit([None])  # before anything is read
