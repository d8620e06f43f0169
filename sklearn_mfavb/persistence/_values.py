"""Plain values in JSON and back, type for type."""

import math
import os
from collections.abc import Callable
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_mfavb.features import Architecture, CLIPFeatures, Preprocessing
from sklearn_mfavb.images import ImageFormat
from sklearn_mfavb.persistence._annotations import fits


class _Kind(NamedTuple):
    """How a type that JSON does not have is written, and made again."""

    includes: Callable[[Any], bool]
    take_apart: Callable[[Any], Any]
    put_together: Callable[[Any], Any]


def to_json(value: Any) -> Any:
    """Write a value with the types of JSON.

    What JSON does not have becomes an object with one name, such as
    ``{"$tuple": [8, 8]}``.

    Parameters
    ----------
    value : object
        None, numbers, strings, paths, torch devices, arrays of strings, the
        descriptions of this package, and lists, tuples and dicts of these.

    Returns
    -------
    object
        What ``json.dumps`` takes.

    Raises
    ------
    TypeError
        If it is anything else, such as a function.

    Examples
    --------
    >>> from sklearn_mfavb.persistence._values import from_json, to_json
    >>> to_json({"image_size": (8, 8)})
    {'image_size': {'$tuple': [8, 8]}}
    >>> from_json(to_json((None, 1.5, {2: "two"})))
    (None, 1.5, {2: 'two'})
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict) and all(map(_is_plain_name, value)):
        return {name: to_json(item) for name, item in value.items()}
    for tag, kind in _KINDS.items():
        if kind.includes(value):
            return {tag: to_json(kind.take_apart(value))}
    raise TypeError(f"a {type(value).__name__} is no plain value")


def from_json(written: Any) -> Any:
    """Make a value again.

    Parameters
    ----------
    written : object
        What `to_json` returned.

    Returns
    -------
    object

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If it is nothing that `to_json` returns.
    """
    if isinstance(written, list):
        return [from_json(item) for item in written]
    if not isinstance(written, dict):
        return written
    items = {name: from_json(item) for name, item in written.items()}
    if all(map(_is_plain_name, items)):
        return items
    ((tag, content),) = items.items()
    if tag not in _KINDS:
        raise ValueError(f"{tag!r} is no kind of value that is known here")
    return _KINDS[tag].put_together(content)


def _is_plain_name(name: Any) -> bool:
    """Say whether a key cannot be taken for a kind of value."""
    return isinstance(name, str) and not name.startswith("$")


def _are_names(value: Any) -> bool:
    """Say whether a value is an array of strings."""
    return isinstance(value, np.ndarray) and all(isinstance(x, str) for x in value.flat)


def _make_names(names: Any) -> Any:
    """Make an array of strings, of type object as scikit-learn's."""
    if not fits(names, list[str]):
        raise TypeError("names must be strings")
    return np.array(names, dtype=object)


def _extractor_parameters(extractor: CLIPFeatures) -> dict[str, Any]:
    """List the parameters, but for the folder: others must not say where we write."""
    parameters = extractor.get_params(deep=False)
    del parameters["cache_dir"]
    return parameters


def _make_extractor(parameters: Any) -> CLIPFeatures:
    """Make a transformer and check its parameters."""
    if "cache_dir" in parameters:
        raise ValueError("cache_dir says where to write, and no model should")
    extractor = CLIPFeatures(**parameters)
    extractor._validate_params()
    return extractor


def _description(cls: Any) -> _Kind:
    """Write a frozen dataclass by its fields, and check their types when it is read."""

    def make(told: Any) -> Any:
        value = cls(**told)
        for field in fields(cls):
            if not fits(getattr(value, field.name), field.type):
                raise TypeError(f"{cls.__name__} has a wrong {field.name}")
        return value

    return _Kind(
        lambda value: type(value) is cls, lambda value: dict(vars(value)), make
    )


_KINDS = {
    "$tuple": _Kind(lambda value: isinstance(value, tuple), list, tuple),
    "$dict": _Kind(
        lambda value: isinstance(value, dict),
        lambda value: [list(pair) for pair in value.items()],
        dict,
    ),
    "$float": _Kind(lambda value: isinstance(value, Real), str, float),
    "$path": _Kind(lambda value: isinstance(value, os.PathLike), os.fspath, Path),
    "$device": _Kind(lambda value: isinstance(value, torch.device), str, torch.device),
    "$names": _Kind(_are_names, lambda value: value.tolist(), _make_names),
    "$CLIPFeatures": _Kind(
        lambda value: type(value) is CLIPFeatures,
        _extractor_parameters,
        _make_extractor,
    ),
    "$ImageFormat": _description(ImageFormat),
    "$Preprocessing": _description(Preprocessing),
    "$Architecture": _description(Architecture),
}
