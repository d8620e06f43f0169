"""From a folder of images to a folder of results."""

import os

import numpy as np
import pytest

from sklearn_mfavb import load
from sklearn_mfavb.images import list_images


def test_tables_hold_every_file(photos, clustered, read_table):
    """Names are paths below the folder; a broken file has no cluster, but a reason."""
    rows = read_table(clustered / "clusters.csv")
    files = [path for path in photos.rglob("*.*") if path.is_file()]
    names = {path.relative_to(photos).as_posix() for path in files}
    assert {row["path"] for row in rows} == names > {"ビーチ/07.png"}
    assert [row["path"] for row in rows if row["cluster"] == ""] == ["broken.jpg"]
    [skipped] = read_table(clustered / "skipped.csv")
    assert skipped["path"] == "broken.jpg"
    assert "no image that Pillow can read" in skipped["reason"]


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


def test_report_is_written_unless_it_is_not_wanted(photos, words, tmp_path, run):
    """By default there is a page, which names the folder as it was typed."""
    given = words(photos, tmp_path, epochs=1)
    given.remove("--no-report")
    printed = run(given)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"Clusters of {photos}" in page
    assert "24 images in 3 clusters" in printed.out
    assert "k-means on the same pixels took" in printed.out
    assert "1 file skipped" in printed.err
    assert "Not saved" not in printed.err
    run([*given, "--no-report", "--overwrite"])
    assert not (tmp_path / "report.html").exists()  # it was of other results


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_files_of_all_kinds_are_in_the_tables(
    photos, words, tmp_path, monkeypatch, read_table, run
):
    """Files that vanish, names that are no text, and files that are not looked at."""

    def search_and_lose(folder, on_error):
        paths, ignored = list_images(folder)
        os.remove(paths[3])
        return paths, ignored

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    names = [f"{number}.png" for number in range(1, 12)]
    for name in [*names, os.fsdecode(b"caf\xe9.png")]:
        (pictures / name).write_bytes((photos / "00.png").read_bytes())
    for name in ("a\nb,c.jpg", "raw.cr2"):
        (pictures / name).write_text("no image", encoding="utf-8")
    monkeypatch.setattr("sklearn_mfavb.folders.list_images", search_and_lose)
    run(words(pictures, tmp_path / "out", epochs=1))
    rows = read_table(tmp_path / "out" / "clusters.csv")
    assert {row["path"] for row in rows} == {*names, r"caf\udce9.png", "a\nb,c.jpg"}
    skipped = read_table(tmp_path / "out" / "skipped.csv")
    reasons = {row["path"]: row["reason"] for row in skipped}
    assert reasons.keys() == {"2.png", "a\nb,c.jpg", "raw.cr2"}
    assert "FileNotFoundError" in reasons["2.png"]
    assert "not an extension of images" in reasons["raw.cr2"]


@pytest.mark.parametrize(
    ("more", "code", "told", "is_made"),
    [
        (["-k", "500"], 2, "--n-clusters 500 is more than 25 images", False),
        (
            ["--method", "scan", "--balance", "0"],
            2,
            "--balance 0.0 has no",
            True,
        ),
        (["--encoder", "ViT-B-23"], 2, "model called 'ViT-B-23'. Similar", None),
        (["--on-error", "raise"], 2, "broken.jpg", True),
        (["--device", "cuda:99"], 2, "--device 'cuda:99' cannot be used here", True),
    ],
)
def test_what_cannot_be_done_is_told(
    photos, words, tmp_path, run, more, code, told, is_made
):
    """In one message, and nothing is left that another run would stumble on.

    Names of encoders are checked before or, where their libraries are loaded, later.
    """
    out = tmp_path / "out"
    assert told in run(words(photos, out, *more), code).err
    assert is_made is None or out.exists() == is_made
    run(words(photos, out, epochs=1))  # what is left is not in the way


def test_options_set_method_and_parameters(photos, words, tmp_path, read_summary, run):
    """They also work on the files that a shell makes of a pattern."""
    given = words(photos / "00.png", tmp_path, *photos.glob("1*.png"), epochs=1)
    more = ["--method", "vtcc", "--assignment", "kmeans", "--balance", "0.5"]
    run([*given, "--image-size", "12", *more])
    summary = read_summary(tmp_path)
    assert (summary["estimator"], summary["n_images"]) == ("VTCCClustering", 11)
    expected = {"assignment": "kmeans", "balance": 0.5, "random_state": 0}
    assert expected.items() <= summary["settings"].items()
    assert load(tmp_path / "model.mfavb").image_size_ == (12, 12)


def test_features_of_an_encoder_are_kept(
    photos, words, tmp_path, tiny_model, tiny_weights, read_summary, run
):
    """They are computed once, and the model is free of the place where they are."""
    out, cache = tmp_path / "out", tmp_path / "cache"
    tiny = ["--encoder", "tiny-clip-of-the-tests", "--encoder-weights", tiny_weights]
    printed = run(words(photos, out, *tiny, epochs=1))
    assert list(out.glob("features/*/*.npz"))
    assert "k-means on the same features took" in printed.out
    assert "Not saved" not in printed.err
    assert "CLIPFeatures(" in str(read_summary(out)["settings"])
    assert str(tmp_path).encode() not in (out / "model.mfavb").read_bytes()
    for images, are_new in ((photos, False), (next(photos.glob("*.png")), True)):
        given = ["predict", out / "model.mfavb", images, "-o", f"{out}-{are_new}"]
        run([*given, "--encoder-cache", cache])
        assert bool(list(cache.glob("*/*.npz"))) == are_new


def test_results_need_no_second_pass(photos, words, tmp_path, monkeypatch, run):
    """Table, score and report are made of what `fit` has found."""
    model = "sklearn_mfavb.estimators._model.ClusteringModel"
    monkeypatch.setattr(f"{model}.embed", None)
    monkeypatch.setattr(f"{model}.probabilities", None)
    given = words(photos, tmp_path, epochs=1)
    given.remove("--no-report")
    run(given)
    assert (tmp_path / "report.html").exists()


def test_weights_that_cannot_be_downloaded_are_no_bug(
    photos, words, tmp_path, monkeypatch, run
):
    """The message says what could not be obtained."""
    monkeypatch.setattr("open_clip.create_model", None)
    printed = run(words(photos, tmp_path, "--encoder", "ViT-B-32"), code=1)
    told = "The weights --encoder-weights 'openai' of --encoder 'ViT-B-32' cannot"
    assert printed.err.strip().splitlines()[-2].startswith(f"sklearn-mfavb: {told}")


def test_number_of_clusters_and_outliers_are_found(
    photos, words, tmp_path, run, read_table, read_summary
):
    """Without -k the number is looked for; outliers are told in all results."""
    given = words(photos, tmp_path, "--outliers", "0.1", "--sort", "copy", epochs=1)
    for word in ("-k", "3", "--no-report"):
        given.remove(word)
    printed = run(given)
    summary = read_summary(tmp_path)
    numbers = summary["n_clusters_scores"]
    assert str(summary["n_clusters"]) in numbers
    assert len(numbers) > 1
    assert summary["n_outliers"] == 2
    assert sum(summary["sizes"]) == 22
    assert "2 outliers" in printed.out
    rows = read_table(tmp_path / "clusters.csv")
    outliers = [row for row in rows if row["cluster"] == "-1"]
    assert len(outliers) == 2
    assert all(0 < float(row["probability"]) <= 1 for row in outliers)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "2 outliers" in page
    assert len(list((tmp_path / "clusters" / "outliers").iterdir())) == 2
