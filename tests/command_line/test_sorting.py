"""Tables, and copies of files or links to them in a folder for each cluster."""

import csv
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_mfavb.command_line._sorting import (
    _places,
    folder_names,
    sort_files,
)
from sklearn_mfavb.command_line._tables import CSV, tabulate, write_table
from sklearn_mfavb.files import numbered

FOUND = SimpleNamespace(
    labels=np.array([10, 2, 10, 10, -1]),
    probabilities=np.ones((5, 11)),
    is_outlier=np.zeros(5, bool),
)
ALL_IN_10 = SimpleNamespace(
    labels=np.full(5, 10), probabilities=np.ones((5, 11)), is_outlier=np.zeros(5, bool)
)
NAMES = [f"cluster {number}" for number in range(11)]


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
    sort_files(files, NAMES, FOUND, out, how)
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


def test_many_files_of_one_name_try_no_name_again(out, monkeypatch):
    """Cameras number from 1 in every folder: the time grows as the files do."""
    tried = []

    def count(name):
        for each in numbered(name):
            tried.append(each)
            yield each

    monkeypatch.setattr("sklearn_mfavb.command_line._sorting.numbered", count)
    found = SimpleNamespace(labels=np.zeros(200, int), is_outlier=np.zeros(200, bool))
    paths = [f"/photos/{number}/IMG_1.jpg" for number in range(200)]
    places = [copy for _, copy in _places(out / "clusters", paths, ["a"], found)]
    assert len(set(places)) == len(tried) == 200


def test_folders_have_names_that_every_system_takes():
    """A cluster that has a name of its own keeps its number in front."""
    names = ["parking lots", "cluster 1", "../a:b", "  ", "CON.", "x" * 300]
    assert folder_names(names) == [
        *("0 parking lots", "1", "2 _a_b", "3", "4 CON", f"5 {'x' * 60}"),
    ]
    assert folder_names([f"cluster {number}" for number in range(11)])[3] == "03"


def test_moved_files_come_back(files, out, run):
    """After a move files are in the folders only, after undo where they were."""
    before = {path: os.stat(path).st_mtime_ns for path in files}
    sort_files(files, NAMES, FOUND, out, "move")
    folder = out / "clusters"
    assert [os.path.exists(path) for path in files] == [False] * 4 + [True]
    assert (folder / "10" / "one-2.png").read_text("utf-8") == "b/one.png"
    moved = out.rename(out.with_name("renamed"))  # the log leads from where it is
    printed = run(["undo", moved / "clusters"])
    assert "moved back: 4 files" in printed.out
    assert {path: os.stat(path).st_mtime_ns for path in files} == before
    for path in files:
        assert str(path).endswith(Path(path).read_text("utf-8"))
    assert os.listdir(moved) == []


def test_undo_replaces_nothing_and_can_be_repeated(files, out, run):
    """What cannot be moved back is told, and stays with the log until it can."""
    sort_files(files, NAMES, FOUND, out, "move")
    mine, log = files[0], out / "clusters" / "moves.jsonl"
    Path(mine).write_text("mine", encoding="utf-8")
    os.remove(out / "clusters" / "02" / "two.png")
    (out / "clusters" / "10" / "notes.txt").write_text("mine", encoding="utf-8")
    printed = run(["undo", log], code=1)
    assert "moved back: 2 files" in printed.out
    assert "2 files could not be moved" in printed.err
    assert "one.png': another file is at its old place" in printed.err
    assert "two.png': it is gone" in printed.err
    assert Path(mine).read_text("utf-8") == "mine"
    os.rename(mine, f"{mine}.kept")
    assert "moved back: 1 file\n" in run(["undo", log], code=1).out
    assert Path(mine).read_text("utf-8") == "a/one.png"
    assert (out / "clusters" / "10" / "notes.txt").exists()


def test_undo_keeps_files_that_links_lead_to(files, out, run):
    """A link at the old place of a file is not that file."""
    sort_files(files, NAMES, FOUND, out, "move")
    copy = out / "clusters" / "10" / "one.png"
    os.symlink(copy, files[0])
    assert "another file is at its old place" in run(["undo", out / "clusters"], 1).err
    assert Path(files[0]).read_text("utf-8") == copy.read_text("utf-8") == "a/one.png"


def test_a_move_that_was_cut_off_is_taken_back(files, out, monkeypatch, run, capsys):
    """Ctrl-C between the two steps of a move leaves a file at both places."""
    unlink = os.unlink

    def interrupt(path):
        if path == files[0]:
            raise KeyboardInterrupt
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr("os.unlink", interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            sort_files(files, NAMES, FOUND, out, "move")
    assert "sklearn-mfavb undo" in caught.value.__notes__[0]
    assert os.path.samefile(files[0], out / "clusters" / "10" / "one.png")
    run(["undo", out / "clusters"])
    assert all(map(os.path.exists, files))
    assert os.listdir(out) == []


def test_files_are_moved_to_other_disks(files, out, monkeypatch, run):
    """They are copied whole; what fails half way stays where it was."""

    def refuse(path, target, **options):
        raise OSError(18, "Invalid cross-device link")

    def fail_at_two(source, copy):
        copy.write(source.read())
        if source.name == files[1]:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("shutil.copyfileobj", fail_at_two)
    os.symlink(files[0], f"{files[0]}.link")
    sort_files([*files[:4], f"{files[0]}.link"], NAMES, FOUND, out, "move")
    assert os.path.exists(files[1])
    assert os.path.islink(f"{files[0]}.link")
    assert os.listdir(out / "clusters" / "02") == []
    run(["undo", out / "clusters"])
    assert all(map(os.path.exists, files))
    assert os.listdir(out) == []


def test_links_are_left_where_they_are(files, out, capsys):
    """A relative link would lead nowhere from another folder."""
    os.symlink("one.png", f"{files[0]}.link")
    sort_files([*files[1:], f"{files[0]}.link"], NAMES, ALL_IN_10, out, "move")
    assert os.path.islink(f"{files[0]}.link")
    assert "1 file could not be moved" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"from": 1}'])
def test_what_is_no_log_moves_nothing(tmp_path, run, content):
    """An empty log has nothing to move."""
    (tmp_path / "log").write_bytes(content)
    code = 0 if content == b"" else 2
    assert content == b"" or "not a log" in run(["undo", tmp_path / "log"], code).err


def test_links_are_of_another_kind_where_there_are_none(files, out, monkeypatch):
    """Systems that refuse symbolic links get hard ones."""

    def refuse(self, target):
        raise OSError("not permitted")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    sort_files(files, NAMES, FOUND, out, "link")
    assert os.path.samefile(out / "clusters" / "02" / "two.png", files[1])


def test_an_earlier_folder_stays(files, out):
    """The new one has the next name that is free."""
    sort_files(files, NAMES, FOUND, out, "copy")
    first = out / "clusters" / "02" / "two.png"
    first.write_text("mine", encoding="utf-8")
    sort_files(files, NAMES, FOUND, out, "copy")
    sort_files(files, NAMES, FOUND, out, "link")
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
        sort_files(files, NAMES, FOUND, out, "copy")
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
    sort_files(list(map(str, paths)), NAMES[:1], found, out, "copy")
    numbered = {"y" * 249 + "-2.png", "ä" * 124 + "-2.jpeg"}
    assert set(os.listdir(out / "clusters" / "0")) == {*names, *numbered}


def test_table_tells_the_two_likeliest_clusters():
    """Outliers have no second choice, and skipped files nothing at all."""
    probabilities = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [np.nan] * 3]
    found = SimpleNamespace(
        labels=np.array([1, -1, -1]), probabilities=np.array(probabilities)
    )
    rows = tabulate(found, ["a", "b", "c"], ["cats", "=dogs", "cluster 2"])
    assert [tuple(row.values()) for row in rows] == [
        ("a", 1, "=dogs", 0.7, 2, 0.2),
        ("b", -1, "outlier", 0.5, None, None),
        ("c", None, None, None, None, None),
    ]


def test_every_cell_is_harmless_in_a_spreadsheet():
    """Names of clusters may begin with = as those of files may."""
    row = {"path": "@a", "name": "=1+1", "probability": 0.5}
    assert CSV.write([row], None) == b"./@a,'=1+1,0.500000\n"


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
