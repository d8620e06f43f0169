"""The command line and its demonstration."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering, demo
from sklearn_mfavb.__main__ import main


@pytest.fixture
def quick_demo(monkeypatch):
    """Let the demonstration train for one epoch only."""

    def make(n_clusters, **parameters):
        return MFAVBClustering(n_clusters, **parameters, max_epochs=1, embed_dim=16)

    monkeypatch.setattr(demo, "MFAVBClustering", make)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_demo_prints_a_table_and_writes_picture_and_figures(
    quick_demo, tmp_path, capsys, monkeypatch
):
    """The demonstration leaves table, picture and figures, without matplotlib too."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    figures = tmp_path / "deep" / "figures.json"
    out = tmp_path / "out"
    out.mkdir()
    (out / "clusters.png").write_text("mine", encoding="utf-8")
    arguments = ["demo", "--seed", "3", "--out", str(out), "--json", str(figures)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "KMeans" in printed.out
    assert "MFAVBClustering" in printed.out
    assert "epoch" in printed.err
    records = json.loads(figures.read_text("utf-8"))
    assert [list(record) for record in records] == [
        ["method", "acc", "nmi", "ari", "seconds"]
    ] * 2
    assert 0.7 < records[0]["acc"] < 0.85
    with Image.open(out / "clusters-2.png") as picture:
        assert picture.size[0] > 500
    assert (out / "clusters.png").read_text("utf-8") == "mine"


def test_unwritable_folder_is_reported_before_the_work(tmp_path, capsys):
    """A folder that cannot be made ends with a message and exit code 1."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["demo", "--out", str(tmp_path / "file" / "out")]) == 1
    assert "sklearn-mfavb:" in capsys.readouterr().err


def test_figures_that_cannot_be_written_are_reported_before_the_work(tmp_path, capsys):
    """A folder in place of the JSON file ends at once with exit code 1."""
    arguments = ["demo", "--out", str(tmp_path / "out"), "--json", str(tmp_path)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "Clustering" not in printed.out
    assert str(tmp_path) in printed.err


@pytest.mark.parametrize("seed", ["-1", "4294967296", "one"])
def test_bad_seeds_are_refused(seed, capsys):
    """A seed that NumPy would refuse is refused by name."""
    with pytest.raises(SystemExit):
        main(["demo", f"--seed={seed}"])
    assert "--seed" in capsys.readouterr().err


def test_module_has_the_same_command_line():
    """`python -m sklearn_mfavb` knows the demo."""
    result = subprocess.run(
        [sys.executable, "-m", "sklearn_mfavb", "demo", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--seed" in result.stdout
