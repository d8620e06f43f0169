"""mypy sees into estimators, although scikit-learn has no types of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

SOURCE = """\
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.model_selection import NClustersSelector


class Clusterer(BaseImageClusterer):
    def count(self) -> int:
        return self.n_clusters_

    def planted(self) -> int:
        return self.no_such


class Features(CLIPFeatures):
    def names(self) -> list[str]:
        return sorted(self.get_params())

    def planted(self) -> list[str]:
        return self.no_such


def select(selector: NClustersSelector, X: object) -> int:
    return selector.fit(X).n_clusters_


def planted(selector: NClustersSelector, X: object) -> int:
    return selector.fit(X).no_such
"""


def test_mypy_sees_wrong_attributes_of_estimators_and_no_others(tmp_path):
    """Methods that scikit-learn decorates, like fit, keep their types."""
    path = tmp_path / "planted.py"
    path.write_text(SOURCE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(path)],
        cwd=Path(__file__).parents[1],  # its configuration, and its cache
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    found = re.findall(r'\w+\.py:(\d+): error: "(\w+)" has no attribute', done.stdout)
    lines = SOURCE.splitlines()
    wrong = [str(n) for n, line in enumerate(lines, 1) if line.endswith(".no_such")]
    classes = ["Clusterer", "Features", "NClustersSelector"]
    assert found == list(zip(wrong, classes, strict=True))
    assert done.stdout.count("error:") == 3
