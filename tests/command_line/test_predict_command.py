"""New images by a saved model: labels, and a page."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.command_line import _predict
from sklearn_mfavb.command_line._growing import GrowingTables


@pytest.fixture
def given(photos, clustered):
    """Write what `predict` and `report` take."""
    return [clustered / "model.mfavb", photos, "--out"]


def test_predicting_gives_the_labels_of_the_fit(
    given, clustered, tmp_path, read_summary, run
):
    """The same folder gets the same tables, sorted too if asked for.

    Replacing tables is no reason to remove a checkpoint, but a page of others goes.
    """
    (tmp_path / "report.html").write_text("of others", encoding="utf-8")
    kept = tmp_path / "training.checkpoint"
    kept.write_bytes(b"hours")
    run(["predict", *given, tmp_path], code=2)
    run(["predict", *given, tmp_path, "--sort", "link", "--overwrite"])
    for table in ("clusters.csv", "skipped.csv"):
        assert (tmp_path / table).read_bytes() == (clustered / table).read_bytes()
    assert len(list((tmp_path / "clusters").glob("*/*.png"))) == 24
    assert read_summary(tmp_path)["model"] == str(clustered / "model.mfavb")
    assert kept.read_bytes() == b"hours"
    assert not (tmp_path / "report.html").exists()


ALSO = "json,probabilities,embedding"


@pytest.fixture
def die_in_block(monkeypatch):
    """Let the process die in a block, before or after progress is written."""
    monkeypatch.setattr(_predict, "_IMAGES_OF_BLOCK", 7)

    def set_death(block, *, is_kept):
        keep = GrowingTables._keep_progress
        n_done = min(25, _predict._IMAGES_OF_BLOCK * block)

        def die(tables):
            if tables.n_done != n_done or is_kept:
                keep(tables)
            if tables.n_done == n_done:
                monkeypatch.setattr(GrowingTables, "_keep_progress", keep)
                raise KeyboardInterrupt

        monkeypatch.setattr(GrowingTables, "_keep_progress", die)

    return set_death


@pytest.mark.parametrize(
    ("block", "is_kept"), [(1, False), (2, True), (2, False), (4, True)], ids=str
)
def test_a_table_goes_on_where_it_was(
    given, tmp_path, monkeypatch, run, die_in_block, block, is_kept
):
    """No image is labeled again; half a block on the disk is cut off.

    The tables are those of a run that nothing disturbed.
    """
    out, whole = tmp_path / "out", tmp_path / "whole"
    words = ["predict", *given, out, "--also", ALSO, "--sort", "copy"]
    run(["predict", *given, whole, "--also", ALSO])
    die_in_block(block, is_kept=is_kept)
    told = run(words, code=130).err
    assert "of 25 images are labeled. Continue with:" in told
    assert "predict --resume" in told
    assert "--resume to continue it" in run(words, code=2).err
    labeled = []
    add = GrowingTables.add

    def count(tables, found, unreadable, paths, names):
        labeled.extend(paths)
        add(tables, found, unreadable, paths, names)

    monkeypatch.setattr(GrowingTables, "add", count)
    run([*words, "--resume"])
    assert len(labeled) == 25 - min(25, 7 * (block - (not is_kept)))
    names = {*os.listdir(whole)} - {"result.json"}
    assert names > {"clusters.csv", "clusters.json", "embedding.npy"}
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not (out / "unfinished").exists()
    assert len(list((out / "clusters").glob("*/*.png"))) == 24
    assert "holds no table to --resume" in run([*words, "--resume"], code=2).err


def test_a_table_of_other_settings_is_refused(
    given, photos, tmp_path, run, die_in_block
):
    """The error says what differs, and --overwrite starts anew."""
    out, folder = tmp_path / "out", tmp_path / "photos"
    shutil.copytree(photos, folder)
    model, *_ = given
    words = ["predict", model, folder, "-o", out]
    die_in_block(1, is_kept=True)
    run(words, code=130)
    (out / "unfinished" / "mine.txt").write_text("mine", encoding="utf-8")
    told = run([*words, "--resume", "--also", "json"], code=2).err
    assert "another run: --also was nothing, now json" in told
    shutil.copy(folder / "03.png", folder / "more.png")
    told = run([*words, "--resume"], code=2).err
    assert "images was 25 with the fingerprint" in told
    assert "now 26 with" in told
    os.remove(folder / "more.png")
    shutil.copy(folder / "03.png", folder / "04.png")  # another image of the same name
    assert "images was 25" in run([*words, "--resume"], code=2).err
    assert "exclude each other" in run([*words, "--resume", "--overwrite"], code=2).err
    run([*words, "--overwrite"])
    assert len((out / "clusters.csv").read_text("utf-8").splitlines()) == 26
    assert os.listdir(out / "unfinished") == ["mine.txt"]


def test_a_growing_table_that_was_deleted_is_told(given, tmp_path, run, die_in_block):
    """What progress counts must be there."""
    out = tmp_path / "out"
    die_in_block(1, is_kept=True)
    run(["predict", *given, out], code=130)
    (out / "unfinished" / "clusters.csv").unlink()
    assert "is damaged" in run(["predict", *given, out, "--resume"], code=2).err


def test_blocks_share_one_range_of_pixels(
    given, tmp_path, run, monkeypatch, die_in_block
):
    """A dark image of 16 bits has one label, whatever images are in its block.

    So it has if images of 8 bits come first, and if another process goes on.
    """
    folder, tables = tmp_path / "deep", []
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 4000, (6, 16, 16), dtype=np.uint16)
    noise[-1] *= 16
    for number, pixels in enumerate(noise):
        is_deep = number > 1
        pixels = pixels if is_deep else (pixels // 16).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    words = ["predict", given[0], folder, "--also", "embedding", "-o"]
    for size in (6, 1):
        monkeypatch.setattr(_predict, "_IMAGES_OF_BLOCK", size)
        run([*words, tmp_path / str(size)])
        tables.append(np.load(tmp_path / str(size) / "embedding.npy"))
    die_in_block(3, is_kept=True)
    run([*words, tmp_path / "again"], code=130)
    run([*words, tmp_path / "again", "--resume"])
    tables.append(np.load(tmp_path / "again" / "embedding.npy"))
    np.testing.assert_allclose(tables[1], tables[0], atol=0.05)  # bfloat16
    np.testing.assert_array_equal(tables[2], tables[1])


def test_images_that_cannot_be_read_may_fill_blocks(
    given, tmp_path, run, read_table, monkeypatch
):
    """They get empty rows; a folder of nothing else is an error, and leaves nothing."""
    monkeypatch.setattr(_predict, "_IMAGES_OF_BLOCK", 2)
    model, photos, *_ = given
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"")
    words = ["predict", model, folder, "-o", tmp_path / "out"]
    assert "None of the 4 images can be read" in run(words, code=2).err
    assert not os.listdir(tmp_path / "out")
    shutil.copy(photos / "03.png", folder / "4.png")
    run(words)
    rows = read_table(tmp_path / "out" / "clusters.csv")
    assert [row["cluster"] == "" for row in rows] == [True] * 4 + [False]
    assert len(read_table(tmp_path / "out" / "skipped.csv")) == 4


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--on-error", "raise", "broken.jpg"), ("--encoder-cache", "x", "has no encoder")],
)
def test_options_are_those_of_predicting(given, tmp_path, run, option, value, told):
    """What the model was fitted with does not decide, nor is an option ignored."""
    words = ["predict", *given, tmp_path / "out", option, value]
    assert told in run(words, code=2).err


def test_report_writes_a_page(given, tmp_path, run):
    """A file that is there is replaced only if asked for."""
    page = tmp_path / "page.html"
    words = ["report", *given, page]
    page.write_text("mine", encoding="utf-8")
    assert "--overwrite" in run(words, code=2).err
    assert page.read_text("utf-8") == "mine"
    run([*words, "--overwrite"])
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [(None, 1, "There is no model"), (b"no model", 2, "is not a model file")],
    ids=["missing", "damaged"],
)
def test_what_is_no_model_is_told(photos, tmp_path, content, code, told, run):
    """The message names the file, and no folder is made."""
    model, out = tmp_path / "model.mfavb", tmp_path / "out"
    if content is not None:
        model.write_bytes(content)
    printed = run(["predict", model, photos, "--out", out], code).err
    assert told in printed
    assert str(model) in printed
    assert not out.exists()
