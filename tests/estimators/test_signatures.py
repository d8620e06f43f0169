"""Constructors: what is documented, and what users may subclass."""

import inspect
import re
from collections import defaultdict

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_mfavb import MFAVBClustering, estimators
from sklearn_mfavb.estimators import BaseImageClusterer

# Texts that differ because the method does.
OWN = {
    *("assignment", "backbone", "balance", "batch_size"),
    *("max_epochs", "objective", "positives", "pretrain_epochs"),
}


def test_every_method_is_exported():
    methods = {
        item.__name__
        for item in vars(estimators).values()
        if isinstance(item, type) and issubclass(item, BaseImageClusterer)
    }
    assert len(methods) == 13  # twelve methods and their base
    assert methods <= set(estimators.__all__)
    assert all(hasattr(estimators, name) for name in estimators.__all__)


def test_constructors_take_few_parameters_by_keyword(estimator_class):
    first, *others = inspect.signature(estimator_class).parameters.values()
    assert first.name == "n_clusters"
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}
    assert len(others) <= 21
    names = {first.name, *(each.name for each in others)}
    assert estimator_class._parameter_constraints.keys() >= names


def test_few_classes_of_ours_are_in_the_resolution_order(estimator_class):
    order = estimator_class.__mro__
    ours = [each for each in order if each.__module__.startswith("sklearn_mfavb")]
    assert len(ours) <= 3
    assert len(order) <= 14


def test_shared_parameters_have_equal_texts():
    texts = defaultdict(set)
    for name in estimators.__all__:
        if name.endswith("Clustering"):
            doc = inspect.getdoc(getattr(estimators, name))
            section = doc.split("Parameters\n----------\n")[1].split("\n\n")[0]
            entries = re.findall(r"^(\w+) : .*\n((?:    .*\n?)+)", section, re.M)
            for parameter, text in entries:
                texts[parameter].add(text)
    assert {name for name, each in texts.items() if len(each) > 1} <= OWN


class Hasty(MFAVBClustering):
    """A user's subclass with a parameter of its own."""

    def __init__(self, n_clusters=3, *, haste=1, backbone="auto", random_state=0):
        super().__init__(
            n_clusters, backbone=backbone, batch_size=32, random_state=random_state
        )
        self.haste = haste

    def _plan(self, setup):
        self.max_epochs = 4 // self.haste
        return super()._plan(setup)


def test_a_subclass_of_the_user_is_an_estimator(images, tiny_backbone):
    own = Hasty(haste=2, backbone=tiny_backbone)
    assert clone(own).haste == 2
    assert own.fit(images).n_iter_ == 2
    search = GridSearchCV(own, {"haste": [1, 4], "n_clusters": [2, 3]}, cv=2)
    search.fit(images)
    assert search.best_params_.keys() == {"haste", "n_clusters"}
    assert "Hasty(" in repr(own)


def test_reference_settings_are_parameters(estimator_class):
    """The settings of a paper can be set, groups included, and are valid."""
    reference = getattr(estimator_class, "REFERENCE", {})
    estimator = estimator_class().set_params(**reference)
    estimator._validate_params()
    params = estimator.get_params()
    assert {name: params[name] for name in reference} == reference
