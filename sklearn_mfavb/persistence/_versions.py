"""Versions of the libraries that networks are built with."""

from importlib.metadata import version

_LIBRARIES = ("sklearn-mfavb", "torch", "timm", "open_clip_torch", "scikit-learn")


def library_versions() -> dict[str, str]:
    """List the versions that are installed.

    Returns
    -------
    dict of str to str
    """
    return {name: version(name) for name in _LIBRARIES}


def differing_versions(then: dict[str, str]) -> str:
    """Say which libraries are not those that a model was saved with.

    Parameters
    ----------
    then : dict of str to str
        What `library_versions` returned when it was saved.

    Returns
    -------
    str
        A sentence, or nothing if all are the same.
    """
    now = library_versions()
    differing = [
        f"{name} {then.get(name)} (here {now[name]})"
        for name in now
        if then.get(name) != now[name]
    ]
    return f" It was saved with {', '.join(differing)}." if differing else ""
