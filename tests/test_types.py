"""mypy sees into estimators, although scikit-learn has no types of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).parents[1]
SOURCE = """\
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.model_selection import NClustersSelector


class Clusterer(BaseImageClusterer):
    def count(self) -> int:
        return self.n_clusters


class Features(CLIPFeatures):
    def names(self) -> list[str]:
        return sorted(self.get_params())


def select(selector: NClustersSelector, X: object) -> int:
    return selector.fit(X).n_clusters_
"""
PLANTED = {
    "self.n_clusters": '"Clusterer" has no attribute "no_such_attribute"',
    "sorted(self.get_params())": '"Features" has no attribute "no_such_attribute"',
    # fit is decorated by scikit-learn, and keeps its type.
    "selector.fit(X).n_clusters_": (
        '"NClustersSelector" has no attribute "no_such_attribute"'
    ),
}


def find_errors(source, folder):
    """Return the errors that mypy finds in a file by the project's configuration.

    It runs in the root of the repository, whose cache it shares.
    """
    path = folder / "planted.py"
    path.write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    return [line for line in lines if path.name in line and ": error: " in line]


def test_mypy_has_nothing_against_sound_estimators(tmp_path):
    """Subclasses that use what there is pass."""
    assert find_errors(SOURCE, tmp_path) == []


def test_mypy_sees_wrong_attributes_of_estimators(tmp_path):
    """A name that does not exist is an error on its line, and the only one."""
    source = SOURCE
    for sound in PLANTED:
        name = "selector.fit(X)" if sound.startswith("selector") else "self"
        source = source.replace(f"return {sound}", f"return {name}.no_such_attribute")
    errors = find_errors(source, tmp_path)
    assert len(errors) == len(PLANTED)
    for error, expected in zip(errors, PLANTED.values(), strict=True):
        assert expected in error
