"""Tables, and copies of files or links to them in a folder for each cluster."""

import csv
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_mfavb.command_line._results import sort_files, write_table

FOUND = SimpleNamespace(
    labels=np.array([10, 2, 10, 10, -1]),
    probabilities=np.ones((5, 11)),
    is_outlier=np.zeros(5, bool),
)


@pytest.fixture
def files(tmp_path):
    """Five files in two folders, three of them of one name."""
    paths = []
    for name in ("a/one.png", "a/two.png", "b/one.png", "b/One.png", "b/x.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
        paths.append(str(path))
    return paths


@pytest.fixture
def out(tmp_path):
    """Return an empty folder for results."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("how", ["copy", "link"])
def test_every_cluster_has_its_files(files, out, how, capsys):
    """Names that are taken are numbered, files without a cluster left out."""
    sort_files(files, FOUND, out, how)
    folder = out / "clusters"
    assert capsys.readouterr().out == f"sorted: {folder}\n"
    assert sorted(os.listdir(folder)) == [f"{label:02}" for label in range(11)]
    assert os.listdir(folder / "02") == ["two.png"]
    found = {path.name: path.read_text("utf-8") for path in (folder / "10").iterdir()}
    assert found == {
        "one.png": "a/one.png",
        "one-2.png": "b/one.png",
        "One-3.png": "b/One.png",
    }
    is_link = {path.is_symlink() for path in (folder / "10").iterdir()}
    assert is_link == {how == "link"}


def test_links_are_of_another_kind_where_there_are_none(files, out, monkeypatch):
    """Systems that refuse symbolic links get hard ones."""

    def refuse(self, target):
        raise OSError("not permitted")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    sort_files(files, FOUND, out, "link")
    assert os.path.samefile(out / "clusters" / "02" / "two.png", files[1])


def test_an_earlier_folder_stays(files, out):
    """The new one has the next name that is free."""
    sort_files(files, FOUND, out, "copy")
    first = out / "clusters" / "02" / "two.png"
    first.write_text("mine", encoding="utf-8")
    sort_files(files, FOUND, out, "copy")
    sort_files(files, FOUND, out, "link")
    assert set(os.listdir(out)) == {"clusters", "clusters-2", "clusters-3"}
    assert first.read_text("utf-8") == "mine"


def test_what_fails_leaves_nothing_half_done(files, out, monkeypatch):
    """On a full disk there is no folder of clusters, and the files are untouched."""
    copy = shutil.copy2

    def fail(path, target):
        copy(path, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copy2", fail)
    with pytest.raises(OSError, match="No space") as caught:
        sort_files(files, FOUND, out, "copy")
    assert caught.value.__notes__ == [f"All other results are in {out}"]
    assert os.listdir(out) == []
    assert all(map(os.path.exists, files))


def test_long_names_are_shortened_when_they_are_numbered(tmp_path, out):
    """Names of 255 bytes are the longest that file systems take."""
    names = ["y" * 251 + ".png", "ä" * 125 + ".jpeg"]
    paths = [tmp_path / folder / name for folder in "ab" for name in names]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("", encoding="utf-8")
    labels, is_outlier = np.zeros(4, int), np.zeros(4, bool)
    found = SimpleNamespace(
        labels=labels, probabilities=np.ones((4, 1)), is_outlier=is_outlier
    )
    sort_files(list(map(str, paths)), found, out, "copy")
    numbered = {"y" * 249 + "-2.png", "ä" * 124 + "-2.jpeg"}
    assert set(os.listdir(out / "clusters" / "0")) == {*names, *numbered}


def test_tables_are_read_as_they_were_written(tmp_path):
    """Line ends in names are quoted, and names that would be formulas lead nowhere."""
    names = ["a\rb.png", "a\r\nb", 'a"b,c', "=1+1.png", "-1/x", "+1", "@x", "plain"]
    rows = [(name, "0") for name in names]
    write_table(tmp_path / "table.csv", ("path", "cluster"), rows)
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as file:
        read = [row["path"] for row in csv.DictReader(file)]
    safe = ["./=1+1.png", "./-1/x", "./+1", "./@x"]
    assert read == [*names[:3], *safe, "plain"]
    assert (tmp_path / "table.csv").read_bytes().endswith(b"./@x,0\nplain,0\n")
