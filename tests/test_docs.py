"""Every public name is documented in numpydoc's form."""

import importlib
import inspect
import pkgutil

import pytest
from sklearn.base import BaseEstimator

import sklearn_mfavb

ESTIMATORS = [
    getattr(sklearn_mfavb, name)
    for name in sklearn_mfavb.__all__
    if issubclass(getattr(sklearn_mfavb, name), BaseEstimator)
]


def public_modules():
    """Import every module of the package whose name is public."""
    for info in pkgutil.walk_packages(sklearn_mfavb.__path__, "sklearn_mfavb."):
        if not info.name.rsplit(".", 1)[-1].startswith("_"):
            yield importlib.import_module(info.name)


def public_functions():
    """List the public functions and classes of the package, once each."""
    found = {}
    for module in public_modules():
        for name, item in vars(module).items():
            is_ours = getattr(item, "__module__", "").startswith("sklearn_mfavb")
            is_code = inspect.isfunction(item) or inspect.isclass(item)
            if is_ours and is_code and not name.startswith("_"):
                found[f"{item.__module__}.{item.__qualname__}"] = item
    return found


@pytest.mark.parametrize("name", sorted(public_functions()))
def test_public_names_document_their_parameters(name):
    """A public function or class describes every parameter by name."""
    item = public_functions()[name]
    documentation = inspect.getdoc(item) or ""
    assert documentation, f"{name} has no docstring"
    if inspect.isclass(item) and "__init__" not in vars(item):
        return
    parameters = [
        parameter.name
        for parameter in inspect.signature(item).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if name.rsplit(".", 1)[-1].startswith("Base") or not parameters:
        return
    for parameter in parameters:
        assert parameter in documentation, f"{name} does not describe {parameter}"


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda item: item.__name__)
def test_estimators_state_the_defaults_they_have(estimator):
    """Each parameter is documented, in order, with its real default."""
    documentation = inspect.getdoc(estimator)
    position = 0
    for parameter in inspect.signature(estimator).parameters.values():
        position = documentation.find(parameter.name, position)
        assert position > 0, f"{parameter.name} is missing or out of order"
        end = documentation.find("\n    ", position)
        default = (
            f'"{parameter.default}"'
            if isinstance(parameter.default, str)
            else str(parameter.default)
        )
        assert f"default={default}" in documentation[position:end], parameter.name


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda item: item.__name__)
@pytest.mark.parametrize(
    "section",
    ["Parameters", "Attributes", "See Also", "Notes", "References", "Examples"],
)
def test_estimators_have_every_section(estimator, section):
    """scikit-learn's sections are all there."""
    assert f"\n{section}\n{'-' * len(section)}\n" in inspect.getdoc(estimator)
