"""Values held against the annotations that declare them."""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np


def fits(value: Any, annotation: Any) -> bool:
    """Say whether a value is of the type that an annotation declares.

    Parameters
    ----------
    value : object
        Of plain types, or an array.
    annotation : object
        A class, ``Any``, ``Literal[...]``, a union, or ``tuple``, ``list``, ``dict`` or
        ``NDArray`` of these.

    Returns
    -------
    bool

    Examples
    --------
    >>> from sklearn_mfavb.persistence._annotations import fits
    >>> fits((8, 8), tuple[int, int]), fits((8, 8.0), tuple[int, int])
    (True, False)
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is not None:
        return isinstance(value, origin) and _HOLDS[origin](value, arguments)
    if annotation in (int, float):
        return isinstance(value, int | annotation) and not isinstance(value, bool)
    return isinstance(value, annotation or NoneType)


def _tuple_holds(value: tuple, arguments: tuple) -> bool:
    """Check the items of a tuple of one or of several types."""
    if arguments[-1] is Ellipsis:
        return all(fits(item, arguments[0]) for item in value)
    return len(value) == len(arguments) and all(map(fits, value, arguments))


def _list_holds(value: list, arguments: tuple) -> bool:
    """Check the items of a list."""
    return all(fits(item, arguments[0]) for item in value)


def _dict_holds(value: dict, arguments: tuple) -> bool:
    """Check the keys and values of a dict."""
    key, item = arguments
    return all(fits(k, key) and fits(v, item) for k, v in value.items())


def _array_holds(value: np.ndarray, arguments: tuple) -> bool:
    """Check the type of the entries of an array."""
    return value.dtype == get_args(arguments[1])[0]


_HOLDS: dict[Any, Callable[[Any, tuple], bool]] = {
    tuple: _tuple_holds,
    list: _list_holds,
    dict: _dict_holds,
    np.ndarray: _array_holds,
}
