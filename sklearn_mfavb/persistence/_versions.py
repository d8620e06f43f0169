"""Versions of the libraries that networks are built with."""

from importlib.metadata import version
from typing import Any

_LIBRARIES = ("sklearn-mfavb", "torch", "timm", "open_clip_torch", "scikit-learn")


def library_versions() -> dict[str, str]:
    """List the versions that are installed."""
    return {name: version(name) for name in _LIBRARIES}


def differing_versions(document: dict[str, Any]) -> str:
    """List in a sentence the libraries that a model was not saved with, if any."""
    now, then = library_versions(), document.get("versions")
    if not isinstance(then, dict):
        return ""
    differing = [
        f"{name} {then.get(name)} (here {now[name]})"
        for name in now
        if then.get(name) != now[name]
    ]
    return f" It was saved with {', '.join(differing)}." if differing else ""
