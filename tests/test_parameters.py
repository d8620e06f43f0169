"""Groups of rarely used parameters, and estimators that have some."""

import pickle

import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from sklearn_mfavb import (
    AnchorClustering,
    CLIPFeatures,
    MFAVBClustering,
    Neighbors,
    Reading,
    SCANClustering,
    Training,
)
from sklearn_mfavb.backbones import ViT
from sklearn_mfavb.estimators import Augmentation, BaseImageClusterer
from sklearn_mfavb.objectives import ContrastiveTerms

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


def test_none_stands_for_the_defaults():
    """They are listed one by one; the group itself stays None until one is set."""
    clusterer = MFAVBClustering()
    params = clusterer.get_params()
    assert params["training"] is None
    assert params["training__learning_rate"] == 0.001
    assert "training__learning_rate" not in clusterer.get_params(deep=False)
    clusterer.set_params(training__learning_rate=0.5, training__warmup_epochs=0)
    assert repr(clusterer.training) == "Training(learning_rate=0.5, warmup_epochs=0)"
    assert clusterer.reading is None
    assert repr(clone(clusterer)) == repr(clusterer)


def test_a_group_and_its_parameters_are_set_at_once():
    """As scikit-learn does: first the group, then what is in it."""
    clusterer = MFAVBClustering(training=Training(weight_decay=0.1))
    training = Training(schedule="constant")
    clusterer.set_params(training__learning_rate=0.5, training=training)
    assert clusterer.training is training
    assert repr(training) == "Training(learning_rate=0.5, schedule='constant')"
    clusterer.set_params(training=None)
    assert clusterer.get_params()["training__learning_rate"] == 0.001


def test_clones_share_no_group():
    """A search sets the parameters of every candidate anew."""
    clusterer = MFAVBClustering(training=Training())
    for grid in ParameterGrid({"training__weight_decay": [0.1, 0.2]}):
        candidate = clone(clusterer).set_params(**grid)
        assert candidate.training.weight_decay == grid["training__weight_decay"]
    assert clusterer.training.weight_decay == 0.05


@pytest.mark.parametrize(
    "name", ["no_such", "training__no_such", "no_such__learning_rate"]
)
def test_unknown_parameters_are_refused(name):
    """Of the estimator and of its groups."""
    clusterer = MFAVBClustering()
    with pytest.raises(ValueError, match="Invalid parameter"):
        clusterer.set_params(**{name: 1})


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"training": Training(learning_rate=0)}, "'learning_rate' parameter of Trai"),
        ({"training": "fast"}, "'training' parameter of MFAVBClustering"),
        ({"reading": Training()}, "'reading' parameter of MFAVBClustering"),
        ({"objective": ContrastiveTerms(cluster_weight=-1)}, "'cluster_weight' param"),
        ({"positives": Neighbors(refresh=0)}, "'refresh' parameter of Neighbors"),
        ({"backbone": ViT(n_heads=0)}, "'n_heads' parameter of ViT"),
        ({"augmentation": Augmentation(encoded_views=-1)}, "'encoded_views' param"),
    ],
)
def test_wrong_parameters_of_groups_are_refused(parameters, named):
    """By their name and that of the group, before anything is read."""
    with pytest.raises(ValueError, match=named):
        MFAVBClustering(2, **parameters).fit([None])


@pytest.mark.parametrize(
    "estimator_class", [*BaseImageClusterer.__subclasses__(), CLIPFeatures]
)
def test_parameters_of_every_estimator_can_be_set_to_what_they_are(estimator_class):
    """Listed parameters, nested ones included, are accepted again."""
    estimator = estimator_class()
    params = estimator.get_params()
    estimator.set_params(**params)
    nested = {key: value for key, value in params.items() if "__" in key}
    assert nested
    assert {key: estimator.get_params()[key] for key in nested} == nested


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
