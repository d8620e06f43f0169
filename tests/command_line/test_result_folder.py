"""Nothing of the user's is replaced or taken for an image, unless asked by name."""

import os

import pytest

from sklearn_mfavb.command_line import main


@pytest.mark.parametrize(
    ("left", "more", "told"),
    [
        ("clusters.csv", [], "--overwrite to replace"),
        (
            "result.json",
            ["--resume"],
            "empty, and holds no training to --resume",
        ),
        ("training.checkpoint", [], "--resume to continue it"),
    ],
)
def test_a_folder_that_is_not_empty_is_refused(
    photos, words, tmp_path, left, more, told, capsys
):
    """Before any work is done, and with what to do instead."""
    (tmp_path / left).write_text("mine", encoding="utf-8")
    assert main(words(photos, tmp_path, *more)) == 2
    printed = capsys.readouterr().err
    assert f"--out {tmp_path}" in printed
    assert told in printed
    assert "epoch" not in printed
    assert (tmp_path / left).read_text("utf-8") == "mine"


def test_overwriting_replaces_results_only(photos, words, tmp_path, clustered):
    """Files of other names stay as they are."""
    for name in ("diary.txt", "clusters.csv"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    assert main(words(photos, tmp_path, "--overwrite")) == 0
    assert (tmp_path / "diary.txt").read_text("utf-8") == "mine"
    table = (tmp_path / "clusters.csv").read_bytes()
    assert table == (clustered / "clusters.csv").read_bytes()


def test_what_a_killed_process_left_is_not_in_the_way(photos, words, tmp_path):
    """A half-written file stays, and does not count."""
    left = tmp_path / ".mfavb-0123456789abcdef.tmp"
    left.write_bytes(b"half a checkp")
    assert main(words(photos, tmp_path, epochs=1)) == 0
    assert left.exists()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("file/out", "file"),
        pytest.param(
            "read-only",
            "Permission denied",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write"),
        ),
    ],
)
def test_a_folder_that_cannot_be_written_to_is_told_before_training(
    photos, words, tmp_path, capsys, place, told
):
    """A file in its place, or no right to write, ends the program with code 1."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "read-only").mkdir(0o500)
    assert main(words(photos, tmp_path / place)) == 1
    printed = capsys.readouterr().err
    assert told in printed
    assert "epoch" not in printed
