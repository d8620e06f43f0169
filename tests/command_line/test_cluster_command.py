"""From a folder of images to a folder of results."""

import os

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb import CLIPFeatures, load
from sklearn_mfavb.command_line import main
from sklearn_mfavb.command_line._estimators import CLASSES
from sklearn_mfavb.command_line._parser import METHODS
from sklearn_mfavb.images import list_images


@pytest.fixture
def write_folder():
    """Make a folder of twelve images."""

    def write(folder):
        folder.mkdir()
        generator = np.random.default_rng(0)
        for number in range(12):
            pixels = generator.integers(0, 256, size=(8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        return folder

    return write


def test_tables_hold_every_file(photos, clustered, read_table):
    """Names are paths below the folder; a broken file has no cluster, but a reason."""
    rows = read_table(clustered / "clusters.csv")
    files = [path for path in photos.rglob("*.*") if path.is_file()]
    names = {path.relative_to(photos).as_posix() for path in files}
    assert {row["path"] for row in rows} == names
    assert "ビーチ/07.png" in names
    without = [row["path"] for row in rows if row["cluster"] == ""]
    assert without == ["broken.jpg"]
    [skipped] = read_table(clustered / "skipped.csv")
    assert skipped["path"] == "broken.jpg"
    assert "cannot identify" in skipped["reason"]


def test_model_gives_what_the_table_says(photos, clustered, read_table):
    """The saved model labels the images alike, with the same probabilities."""
    rows = [row for row in read_table(clustered / "clusters.csv") if row["cluster"]]
    paths = [str(photos / row["path"]) for row in rows]
    probabilities = load(clustered / "model.mfavb").predict_proba(paths)
    np.testing.assert_array_equal(
        probabilities.argmax(axis=1), [int(row["cluster"]) for row in rows]
    )
    np.testing.assert_allclose(
        probabilities.max(axis=1),
        [float(row["probability"]) for row in rows],
        atol=1e-5,
    )


def test_summary_tells_how_it_was_made(photos, clustered, read_summary):
    """Settings, sizes, the score, versions and history are there."""
    summary = read_summary(clustered)
    assert summary["estimator"] == "MFAVBClustering"
    assert summary["settings"]["n_clusters"] == 3
    assert summary["settings"]["random_state"] == 0
    assert summary["folder"] == str(photos)
    assert (summary["n_images"], summary["n_skipped"]) == (24, 1)
    assert sum(summary["sizes"]) == 24
    assert summary["score"] <= 1
    assert summary["is_complete"]
    assert [row["epoch"] for row in summary["history"]] == [1, 2, 3]
    assert "torch" in summary["versions"]


def test_a_complete_run_leaves_results_only(clustered):
    """No checkpoint and no half-written file is left over."""
    names = {"clusters.csv", "skipped.csv", "result.json", "model.mfavb"}
    assert set(os.listdir(clustered)) == names


def test_report_is_written_unless_it_is_not_wanted(photos, words, tmp_path, capsys):
    """By default there is a page, which names the folder as it was typed."""
    given = [
        word for word in words(photos, tmp_path, epochs=1) if word != "--no-report"
    ]
    assert main(given) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"Clusters of {photos}" in page
    printed = capsys.readouterr()
    assert "24 images in 3 clusters" in printed.out
    assert "1 file skipped" in printed.err


def test_broken_files_can_be_errors(photos, words, tmp_path, capsys):
    """With --on-error raise, the first broken file ends the program by name."""
    out = tmp_path / "out"
    assert main(words(photos, out, "--on-error", "raise")) == 2
    printed = capsys.readouterr().err
    assert "broken.jpg" in printed
    assert "Traceback" not in printed
    assert os.listdir(out) == []


def test_a_file_that_vanishes_is_skipped(
    words, tmp_path, write_folder, monkeypatch, read_table
):
    """What is gone when it is read is listed, and the others are clustered."""

    def list_and_lose(folder):
        paths = list_images(folder)
        os.remove(paths[3])
        return paths

    folder = write_folder(tmp_path / "photos")
    listing = "sklearn_mfavb.command_line._input.list_images"
    monkeypatch.setattr(listing, list_and_lose)
    assert main(words(folder, tmp_path / "out", epochs=1)) == 0
    [skipped] = read_table(tmp_path / "out" / "skipped.csv")
    assert skipped["path"] == "11.png"
    assert "FileNotFoundError" in skipped["reason"]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_that_are_no_text_do_not_break_the_tables(
    words, tmp_path, write_folder, read_table
):
    """Of a name that is no UTF-8 the bytes are shown, and the files stay UTF-8."""
    folder = write_folder(tmp_path / "photos")
    os.rename(folder / "0.png", os.fsencode(folder) + b"/caf\xe9.png")
    (folder / "a\nb,c.jpg").write_text("no image", encoding="utf-8")
    assert main(words(folder, tmp_path / "out", epochs=1)) == 0
    rows = read_table(tmp_path / "out" / "clusters.csv")
    names = [row["path"] for row in rows]
    assert r"caf\udce9.png" in names
    assert "a\nb,c.jpg" in names
    assert len(rows) == 13


def test_settings_that_make_no_sense_are_told(photos, words, tmp_path, capsys):
    """More clusters than images end with the estimator's own message and code 2."""
    assert main(words(photos, tmp_path, "--n-clusters", "500")) == 2
    printed = capsys.readouterr().err
    assert "n_samples=24 should be >= n_clusters=500" in printed
    assert "Traceback" not in printed


def test_every_method_has_its_estimator():
    """The names that the parser knows are those that can be built."""
    assert set(METHODS) == set(CLASSES)


def test_another_method_can_be_named(photos, words, tmp_path, read_summary):
    """`--method` chooses the estimator."""
    given = words(photos, tmp_path, "--method", "vtcc", "--image-size", "6", epochs=1)
    assert main(given) == 0
    assert read_summary(tmp_path)["estimator"] == "VTCCClustering"
    assert load(tmp_path / "model.mfavb").image_size_ == (6, 6)


def test_features_of_an_encoder_are_kept_with_the_results(
    photos, words, tmp_path, tiny_model, tiny_weights, read_summary
):
    """With --clip features are computed once, and the model is free of this place."""
    clip = ["--clip", "tiny-clip-of-the-tests", "--clip-weights", str(tiny_weights)]
    assert main(words(photos, tmp_path, *clip, epochs=1)) == 0
    assert list(tmp_path.glob("features/*/*.npz"))
    assert read_summary(tmp_path)["settings"]["clip"].startswith("CLIPFeatures(")
    assert str(tmp_path).encode() not in (tmp_path / "model.mfavb").read_bytes()


def test_weights_that_cannot_be_downloaded_are_no_bug(
    photos, words, tmp_path, monkeypatch, capsys
):
    """The message says what could not be obtained, without a traceback."""

    def fail(self):
        raise RuntimeError("The weights could not be obtained")

    monkeypatch.setattr(CLIPFeatures, "build_encoder", fail)
    assert main(words(photos, tmp_path, "--clip", "ViT-B-32")) == 1
    printed = capsys.readouterr().err
    assert "could not be obtained" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("option", ["--clip-weights", "--clip-cache"])
def test_options_of_the_encoder_need_one(photos, words, tmp_path, option, capsys):
    """An option that would have no effect is refused."""
    assert main(words(photos, tmp_path, option, "x")) == 2
    assert f"{option} needs --clip" in capsys.readouterr().err
