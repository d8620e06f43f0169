"""With what a result was made: parameters of an estimator, and versions."""

import inspect
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    "sklearn-mfavb",
    "scikit-learn",
    "torch",
    "skorch",
    "timm",
    "open_clip_torch",
    "numpy",
    "pillow",
)
_LONGEST = 200  # characters of a value


@dataclass(frozen=True)
class Setting:
    """A parameter of the estimator; `is_default` if the class has the same value."""

    name: str
    value: str
    is_default: bool


def list_settings(estimator: Any) -> list[Setting]:
    """List the parameters of an estimator, those that were changed first."""
    signature = inspect.signature(type(estimator)).parameters
    settings = [
        Setting(name, _shorten(value), repr(value) == repr(signature[name].default))
        for name, value in estimator.get_params(deep=False).items()
    ]
    return sorted(settings, key=lambda setting: setting.is_default)


def list_versions() -> dict[str, str]:
    """List the versions of what counts here and now."""
    versions = {"Python": f"{platform.python_version()} on {platform.platform()}"}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def _shorten(value: Any) -> str:
    """Write a value in a line or two."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
