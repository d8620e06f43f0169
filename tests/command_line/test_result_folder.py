"""Nothing of the user's is replaced or taken for an image, unless asked by name."""

import os

import pytest

from sklearn_mfavb.command_line import main


@pytest.fixture
def used(tmp_path):
    """Make a folder with two files of the user's, one under the name of a result."""
    (tmp_path / "diary.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "clusters.csv").write_text("mine too", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--resume"]], ids=["new", "--resume"])
def test_a_folder_that_is_not_empty_is_refused(photos, words, used, more, capsys):
    """Before any work is done, and with what to do instead."""
    assert main(words(photos, used, *more)) == 2
    printed = capsys.readouterr().err
    assert f"--out {used}" in printed
    assert "--overwrite" in printed
    assert "epoch" not in printed
    assert (used / "clusters.csv").read_text("utf-8") == "mine too"


def test_overwriting_replaces_results_only(photos, words, used, clustered):
    """Files of other names stay as they are."""
    assert main(words(photos, used, "--overwrite")) == 0
    assert (used / "diary.txt").read_text("utf-8") == "mine"
    table = (used / "clusters.csv").read_bytes()
    assert table == (clustered / "clusters.csv").read_bytes()


def test_complete_results_have_nothing_to_go_on_with(photos, words, clustered, capsys):
    """`--resume` does not train a second time what is complete."""
    before = (clustered / "model.mfavb").read_bytes()
    assert main(words(photos, clustered, "--resume")) == 2
    assert "results of a complete training" in capsys.readouterr().err
    assert (clustered / "model.mfavb").read_bytes() == before


def test_what_can_be_resumed_is_said(photos, words, tmp_path, capsys):
    """A folder with training in it is refused with the word that goes on."""
    (tmp_path / "training.checkpoint").write_bytes(b"")
    assert main(words(photos, tmp_path)) == 2
    assert "--resume to continue it" in capsys.readouterr().err


def test_what_a_killed_process_left_is_not_in_the_way(photos, words, tmp_path):
    """A half-written file stays, and does not count."""
    left = tmp_path / ".mfavb-0123456789abcdef.tmp"
    left.write_bytes(b"half a checkp")
    assert main(words(photos, tmp_path, epochs=1)) == 0
    assert left.exists()


def test_results_inside_the_folder_are_refused(photos, words, capsys):
    """They would be images the next time; nothing is made."""
    before = sorted(photos.rglob("*"))
    assert main(words(photos, photos / "results" / "deep")) == 2
    assert "overlap" in capsys.readouterr().err
    assert sorted(photos.rglob("*")) == before


def test_a_folder_that_cannot_be_made_is_told_before_training(
    photos, words, tmp_path, capsys
):
    """A file in its place ends the program with code 1."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(words(photos, tmp_path / "file" / "out")) == 1
    printed = capsys.readouterr().err
    assert str(tmp_path / "file") in printed
    assert "epoch" not in printed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_told_before_training(
    photos, words, tmp_path, capsys
):
    """An empty folder without the right to write ends the program with code 1."""
    tmp_path.chmod(0o500)
    assert main(words(photos, tmp_path)) == 1
    printed = capsys.readouterr().err
    assert "Permission denied" in printed
    assert "epoch" not in printed
