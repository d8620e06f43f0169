"""How an estimator is declared: each parameter once, in the class that reads it.

scikit-learn finds the parameters of an estimator in the signature of its constructor,
and users find them in its docstring. Dozens of parameters are shared by all estimators;
`estimator` writes both from what the classes of a hierarchy say, so that a subclass
states only what it adds or gives another default.
"""

import inspect
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

AnyClass = TypeVar("AnyClass", bound=type[Any])
Entries = dict[str, list[str]]  # the lines that describe a name

_SECTIONS = ("Parameters", "Attributes")
_DESCRIBED: dict[type, dict[str, Entries]] = {}  # by class itself, without its bases


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def estimator(cls: AnyClass) -> AnyClass:
    """Turn annotated defaults into keyword parameters, documented for all bases.

    Parameters
    ----------
    cls : type
        Its annotations with defaults are parameters, those with ``field(init=False)``
        are set by `fit`. The sections Parameters and Attributes of its docstring
        describe what it adds or changes, in numpydoc's form.

    Returns
    -------
    type
        The same class, with a constructor and with the sections Parameters and
        Attributes of all its bases, in the order of the constructor.
    """
    dataclass(kw_only=True, eq=False, repr=False)(cls)
    if cls.__doc__ is None:  # python -OO
        return cls
    lines = inspect.cleandoc(cls.__doc__).split("\n")
    own = {}
    for section in _SECTIONS:
        own[section], lines = _cut_section(lines, section)
    _DESCRIBED[cls] = own
    body = [line for section in _SECTIONS for line in _write_section(cls, section)]
    summary_end = next(
        (n - 1 for n, line in enumerate(lines) if line and set(line) == {"-"}),
        len(lines),
    )
    head, tail = lines[:summary_end], lines[summary_end:]
    cls.__doc__ = "\n".join([*head, *([] if head[-1] == "" else [""]), *body, *tail])
    return cls


def _cut_section(lines: list[str], section: str) -> tuple[Entries, list[str]]:
    """Take a section out of a docstring, split by the names that it describes."""
    header = [section, "-" * len(section)]
    starts = [n for n in range(len(lines)) if lines[n : n + 2] == header]
    if not starts:
        return {}, lines
    start = starts[0] + 2
    end = next(
        (n - 1 for n in range(start, len(lines)) if set(lines[n]) == {"-"}), len(lines)
    )
    entries: Entries = {}
    for line in filter(None, lines[start:end]):
        if not line.startswith(" "):
            entries[name := line.split(" : ")[0]] = []
        entries[name].append(line)
    return entries, lines[: start - 2] + lines[end:]


def _write_section(cls: type, section: str) -> list[str]:
    """Write what a class and its bases describe; a subclass has the last word."""
    entries: Entries = {}
    for base in reversed(cls.__mro__):
        entries |= _DESCRIBED.get(base, {}).get(section, {})
    order = {name: n for n, name in enumerate(inspect.signature(cls).parameters)}
    names = sorted(entries, key=lambda name: order.get(name.split(", ")[0], len(order)))
    described = [line for name in names for line in entries[name]]
    return [section, "-" * len(section), *described, ""] if described else []
