"""Constructors: what the source says, what is documented, what users may subclass."""

import ast
import inspect
import re
from collections import defaultdict

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_mfavb import (
    MFAVBClustering,
    estimators,
)
from sklearn_mfavb.estimators import BaseImageClusterer

# Texts that differ because the method does.
OWN = {
    *("assignment", "backbone", "balance", "batch_size"),
    *("n_cluster_heads", "objective", "positives"),
}


def parameters_of(cls):
    """Return the parameters of a constructor by name."""
    return dict(inspect.signature(cls).parameters)


def documented(cls):
    """Return head and text of every documented parameter, in order."""
    doc = inspect.getdoc(cls)
    section = doc.split("Parameters\n----------\n")[1].split("\n\n")[0]
    entries = re.findall(r"^(\w+) : (.*)\n((?:    .*\n?)+)", section, re.MULTILINE)
    return {name: (head, text) for name, head, text in entries}


def written(cls):
    """Return the names of the parameters in the source of the class itself."""
    [tree] = ast.parse(inspect.getsource(cls)).body
    [init] = [each for each in tree.body if getattr(each, "name", None) == "__init__"]
    return [each.arg for each in init.args.args[1:] + init.args.kwonlyargs]


def test_the_table_holds_the_family():
    """What is exported is what there is, and every name can be imported."""
    methods = {
        item
        for item in vars(estimators).values()
        if isinstance(item, type) and issubclass(item, BaseImageClusterer)
    }
    assert len(methods) == 7  # six methods and their base
    assert all(hasattr(estimators, name) for name in estimators.__all__)
    assert {each.__name__ for each in methods} <= set(estimators.__all__)


def test_signature_is_the_source(estimator_class):
    """inspect, the source and get_params name the same few parameters."""
    names = list(parameters_of(estimator_class))
    assert names == written(estimator_class)
    assert len(names) <= 22
    assert sorted(estimator_class().get_params(deep=False)) == sorted(names)
    assert names[0] == "n_clusters"
    kinds = {
        each.kind.name for each in list(parameters_of(estimator_class).values())[1:]
    }
    assert kinds == {"KEYWORD_ONLY"}


def test_few_classes_of_ours_are_in_the_resolution_order(estimator_class):
    """Composition: at most three classes of the package, fourteen in all."""
    order = estimator_class.__mro__
    ours = [each for each in order if each.__module__.startswith("sklearn_mfavb")]
    assert len(ours) <= 3
    assert len(order) <= 14


def test_every_parameter_is_documented_with_its_default(estimator_class):
    """All, in the order of the signature, with the default that is in force."""
    texts = documented(estimator_class)
    parameters = parameters_of(estimator_class)
    assert list(texts) == list(parameters)
    for name, (head, _) in texts.items():
        default = parameters[name].default
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        assert head.endswith(f"default={shown}"), name
    assert estimator_class._parameter_constraints.keys() >= parameters.keys()


def test_shared_parameters_have_equal_texts():
    """A parameter that several methods have is described in the same words."""
    texts, family = defaultdict(dict), BaseImageClusterer.__subclasses__()
    for cls in family:
        if cls.__name__ in estimators.__all__:
            for name, (_, text) in documented(cls).items():
                texts[name].setdefault(text, []).append(cls.__name__)
    differing = {name: each for name, each in texts.items() if len(each) > 1}
    assert differing.keys() <= OWN, differing


class Hasty(MFAVBClustering):
    """A user's subclass with a parameter of its own."""

    def __init__(
        self, n_clusters=3, *, haste=1, backbone="auto", batch_size=32, random_state=0
    ):
        super().__init__(
            n_clusters,
            backbone=backbone,
            max_epochs=2,
            batch_size=batch_size,
            random_state=random_state,
        )
        self.haste = haste

    def _plan(self, setup):
        """Train for fewer epochs."""
        self.max_epochs = 4 // self.haste
        return super()._plan(setup)


def test_a_subclass_of_the_user_is_an_estimator(images, tiny_backbone):
    """It is cloned, grid-searched and fitted like any other, with its parameter."""
    own = Hasty(haste=2, backbone=tiny_backbone)
    assert sorted(own.get_params(deep=False)) == sorted(written(Hasty))
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
