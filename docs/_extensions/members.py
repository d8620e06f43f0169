"""Which members of a class are shown: ours, not the hundreds of torch and skorch."""

from typing import Any

from sphinx.application import Sphinx

# Inherited, but what a clusterer is for.
_WELCOME = {"fit_predict"}


def leaves_out(
    app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave a member out; None leaves the choice to Sphinx."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    owner = getattr(function, "__module__", None)
    is_inherited = owner is not None and not owner.startswith("sklearn_mfavb")
    is_tuple_field = (getattr(member, "__doc__", None) or "").startswith("Alias for")
    if is_tuple_field or (is_inherited and name not in _WELCOME):
        return True
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Ask `leaves_out` about every member."""
    app.connect("autodoc-skip-member", leaves_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
