"""Nothing of the user's is replaced or taken for an image, unless asked by name."""

import os

import pytest


@pytest.mark.parametrize(
    ("left", "more", "told"),
    [
        ("clusters.csv", [], "--overwrite to replace"),
        ("result.json", ["--resume"], "empty, and holds no training to --resume"),
        ("training.checkpoint", [], "--resume to continue it"),
    ],
)
def test_a_folder_that_is_not_empty_is_refused(
    photos, words, tmp_path, left, more, told, run
):
    """Before any work is done, and with what to do instead."""
    (tmp_path / left).write_text("mine", encoding="utf-8")
    printed = run(words(photos, tmp_path, *more), code=2).err
    assert f"--out {tmp_path}" in printed
    assert told in printed
    assert "epoch" not in printed
    assert (tmp_path / left).read_text("utf-8") == "mine"


def test_overwriting_replaces_results_only(photos, words, tmp_path, clustered, run):
    """Files of other names stay as they are."""
    for name in ("diary.txt", "clusters.csv"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    run(words(photos, tmp_path, "--overwrite"))
    assert (tmp_path / "diary.txt").read_text("utf-8") == "mine"
    table = (tmp_path / "clusters.csv").read_bytes()
    assert table == (clustered / "clusters.csv").read_bytes()


def test_what_a_killed_process_left_is_not_in_the_way(photos, words, tmp_path, run):
    """A half-written file stays, and does not count."""
    left = tmp_path / ".mfavb-0123456789abcdef.tmp"
    left.write_bytes(b"half a checkp")
    run(words(photos, tmp_path, epochs=1))
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
    photos, words, tmp_path, run, place, told
):
    """A file in its place, or no right to write, ends the program with code 1."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "read-only").mkdir(0o500)
    printed = run(words(photos, tmp_path / place), code=1).err
    assert told in printed
    assert "epoch" not in printed
