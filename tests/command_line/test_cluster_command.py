"""From a folder of images to a folder of results."""

import os

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb import CLIPFeatures, load
from sklearn_mfavb.command_line import main
from sklearn_mfavb.images import list_images


@pytest.fixture
def pictures(tmp_path):
    """Make a folder of twelve images."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(12):
        pixels = generator.integers(0, 256, size=(8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


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
    labels = [int(row["cluster"]) for row in rows]
    np.testing.assert_array_equal(probabilities.argmax(axis=1), labels)
    told = [float(row["probability"]) for row in rows]
    np.testing.assert_allclose(probabilities.max(axis=1), told, atol=1e-5)


def test_summary_tells_how_it_was_made(photos, clustered, read_summary):
    """Settings, sizes, the score, versions and history are there, and nothing more."""
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
    names = {"clusters.csv", "skipped.csv", "result.json", "model.mfavb"}
    assert set(os.listdir(clustered)) == names


def test_report_is_written_unless_it_is_not_wanted(photos, words, tmp_path, capsys):
    """By default there is a page, which names the folder as it was typed."""
    given = words(photos, tmp_path, epochs=1)
    given.remove("--no-report")
    assert main(given) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"Clusters of {photos}" in page
    printed = capsys.readouterr()
    assert "24 images in 3 clusters" in printed.out
    assert "(0 = chance, 1 = perfect; by pixels)" in printed.out
    assert "1 file skipped" in printed.err
    assert main([*given, "--no-report", "--overwrite"]) == 0
    assert not (tmp_path / "report.html").exists()  # it was of other results


def test_broken_files_can_be_errors(photos, words, tmp_path, capsys):
    """With --on-error raise, the first broken file ends the program by name."""
    out = tmp_path / "out"
    assert main(words(photos, out, "--on-error", "raise")) == 2
    printed = capsys.readouterr().err
    assert "broken.jpg" in printed
    assert "Traceback" not in printed
    assert os.listdir(out) == []


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_files_of_all_kinds_are_in_the_tables(
    words, tmp_path, pictures, monkeypatch, read_table
):
    """Files that vanish, names that are no text, and files that are not looked at."""

    def search_and_lose(folder, on_error):
        paths = list_images(folder)
        os.remove(paths[3])
        return paths, {os.path.join(folder, "raw.cr2"): "not an image"}

    os.rename(pictures / "0.png", os.fsencode(pictures) + b"/caf\xe9.png")
    (pictures / "a\nb,c.jpg").write_text("no image", encoding="utf-8")
    search = "sklearn_mfavb.images.search_folder"
    monkeypatch.setattr(search, search_and_lose, raising=False)
    assert main(words(pictures, tmp_path / "out", epochs=1)) == 0
    names = [row["path"] for row in read_table(tmp_path / "out" / "clusters.csv")]
    assert r"caf\udce9.png" in names
    assert "a\nb,c.jpg" in names
    assert len(names) == 13
    skipped = read_table(tmp_path / "out" / "skipped.csv")
    reasons = {row["path"]: row["reason"] for row in skipped}
    assert reasons.keys() == {"2.png", "a\nb,c.jpg", "raw.cr2"}
    assert "FileNotFoundError" in reasons["2.png"]
    assert reasons["raw.cr2"] == "not an image"


def test_more_clusters_than_images_are_refused(photos, words, tmp_path, capsys):
    """Before anything is made."""
    assert main(words(photos, tmp_path / "out", "-k", "500")) == 2
    assert "--n-clusters 500 is more than 25 images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_files_can_be_clustered_by_another_method(
    photos, words, tmp_path, read_summary
):
    """`--method` chooses the estimator, and a shell's pattern the images."""
    more = map(str, sorted(photos.glob("1*.png")))
    given = words(photos / "00.png", tmp_path, *more, "--image-size", "12", epochs=1)
    assert main([*given, "--method", "vtcc"]) == 0
    assert read_summary(tmp_path)["estimator"] == "VTCCClustering"
    assert read_summary(tmp_path)["n_images"] == 11
    assert load(tmp_path / "model.mfavb").image_size_ == (12, 12)


def test_features_of_an_encoder_are_kept(
    photos, words, tmp_path, tiny_model, tiny_weights, read_summary, capsys
):
    """They are computed once, and the model is free of the place where they are."""
    out, cache = tmp_path / "out", tmp_path / "cache"
    tiny = ["--encoder", "tiny-clip-of-the-tests", "--encoder-weights", tiny_weights]
    assert main(words(photos, out, *map(str, tiny), epochs=1)) == 0
    assert list(out.glob("features/*/*.npz"))
    assert "perfect; by features)" in capsys.readouterr().out
    assert "CLIPFeatures(" in str(read_summary(out)["settings"])
    assert str(tmp_path).encode() not in (out / "model.mfavb").read_bytes()
    given = ["predict", str(out / "model.mfavb"), str(photos), "-o", f"{out}2"]
    assert main([*given, "--encoder-cache", str(cache)]) == 0
    assert list(cache.glob("*/*.npz"))


def test_weights_that_cannot_be_downloaded_are_no_bug(
    photos, words, tmp_path, monkeypatch, capsys
):
    """The message says what could not be obtained, without a traceback."""

    def fail(self):
        raise RuntimeError("The weights could not be obtained")

    monkeypatch.setattr(CLIPFeatures, "build_encoder", fail)
    assert main(words(photos, tmp_path, "--encoder", "ViT-B-32")) == 1
    printed = capsys.readouterr().err
    assert "could not be obtained" in printed
    assert "Traceback" not in printed
