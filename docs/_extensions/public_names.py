"""What the package offers: its public modules, and the names in each."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from itertools import chain
from typing import get_origin

import sklearn_mfavb

Names = dict[str, list[str]]


@cache
def public_names() -> dict[str, Names]:
    """List classes, functions and constants, by module.

    What the package itself offers is left out of the modules that it comes from, and so
    are modules that offer nothing else.
    """
    modules = [
        info.name
        for info in pkgutil.walk_packages(sklearn_mfavb.__path__, "sklearn_mfavb.")
        if "._" not in info.name
    ]
    offered = {"sklearn_mfavb": _sort("sklearn_mfavb")}
    at_the_top = {*chain.from_iterable(offered["sklearn_mfavb"].values())}
    for module in modules:
        kinds = {
            kind: [name for name in names if name not in at_the_top]
            for kind, names in _sort(module).items()
        }
        if any(kinds.values()):
            offered[module] = kinds
    return offered


def constants() -> dict[str, str]:
    """Describe every constant in reStructuredText, by its full name."""
    return {
        f"{module}.{name}": _describe(getattr(importlib.import_module(module), name))
        for module, kinds in public_names().items()
        for name in kinds["Constants"]
    }


def _describe(item: object) -> str:
    """Describe a value in a line."""
    if isinstance(item, Mapping):
        return f"A mapping with the keys {', '.join(f'``{key!r}``' for key in item)}."
    return f"``{item!r}``"


def _sort(module_name: str) -> Names:
    """Sort the names of a module by what they are."""
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None) or [
        name
        for name, item in vars(module).items()
        if getattr(item, "__module__", None) == module_name and name[0] != "_"
    ]
    sorted_names: Names = {"Classes": [], "Functions": [], "Constants": []}
    for name in names:
        item = getattr(module, name)
        if get_origin(item) is not None:
            continue  # an alias of a type
        is_class, is_function = inspect.isclass(item), inspect.isfunction(item)
        kind = "Classes" if is_class else "Functions" if is_function else "Constants"
        sorted_names[kind].append(name)
    return sorted_names
