"""The baseline, the number of clusters, several encoders, and more kinds of output."""

import json
import os
import re

import numpy as np
import pytest

from sklearn_mfavb import KMeansClustering, load


def test_kmeans_is_beside_the_result(photos, words, tmp_path, run, read_summary):
    """It is told how far both agree, and --method kmeans has the same outputs."""
    printed = run(words(photos, tmp_path / "ours", epochs=1))
    assert "k-means on the same pixels took" in printed.out
    figures = read_summary(tmp_path / "ours")["kmeans"]
    assert figures["seconds"] > 0
    assert figures["agreement"] <= 1
    given = ["cluster", photos, "-k", "3", "-o", tmp_path / "base", "--method"]
    printed = run([*given, "kmeans"])
    assert "k-means on the same" not in printed.out
    assert read_summary(tmp_path / "base")["kmeans"] is None
    assert (tmp_path / "base" / "report.html").exists()
    model = load(tmp_path / "base" / "model.mfavb")
    assert isinstance(model, KMeansClustering)
    run(["predict", tmp_path / "base" / "model.mfavb", photos, "-o", tmp_path / "new"])
    tables = [
        (tmp_path / name / "clusters.csv").read_text("utf-8")
        for name in ("base", "new")
    ]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("more", [[], ["--method", "kmeans"], ["--encoder"]], ids=str)
def test_a_dry_run_tells_how_long_it_may_take(
    photos, words, tmp_path, tiny_model, tiny_weights, run, more
):
    """Every part has its time, and nothing is written."""
    out = tmp_path / "out"
    given = ["cluster", photos, "-k", "3", "-o", out, "--dry-run", "-x", "*.jpg"]
    if more == ["--encoder"]:
        more = ["-e", "tiny-clip-of-the-tests", "--encoder-weights", tiny_weights]
    printed = run([*given, *more, "--time-budget", "0s"]).out
    part = r"about \d+ (s|min|h)"
    parts = ", ".join(f"{name} {part}" for name in ("starting", "reading"))
    told = rf"{part}: {parts}, training about 0 s, the report about 0 s\n"
    assert re.fullmatch(told, printed)
    assert not out.exists()


def test_number_of_clusters_is_suggested(photos, run):
    """A table has the separation of clusters, and the way on from it."""
    printed = run(["suggest", photos, "-x", "*.jpg"]).out
    header, *rows = printed.split("Cluster with:")[0].strip().splitlines()
    assert header.split() == ["clusters", "10", "neighbors", "40", "neighbors"]
    numbers = [int(re.match(r" *(\d+)", row)[1]) for row in rows]
    assert numbers == sorted(numbers)
    [chosen] = [number for number, row in zip(numbers, rows, strict=True) if "*" in row]
    assert f"sklearn-mfavb cluster -k {chosen} -o DIR {photos}" in printed.replace(
        "'", ""
    )


def test_several_encoders_share_a_cache(
    photos, words, tmp_path, tiny_model, tiny_weights, run
):
    """Each has its weights; the model knows both, and not where features were."""
    name = "tiny-clip-of-the-tests"
    tiny = ["-e", name, "--encoder-weights", tiny_weights]
    out, cache = tmp_path / "out", tmp_path / "cache"
    given = words(photos, out, "--encoder-cache", cache, *tiny, *tiny, epochs=1)
    run(given)
    assert list(cache.glob("*/*.npz"))
    model = load(out / "model.mfavb")
    assert len(model.model_.encoders) == 2
    assert str(tmp_path).encode() not in (out / "model.mfavb").read_bytes()
    told = "2 of --encoder and 1 of --encoder-weights"
    assert told in run([*words(photos, out), *tiny, "-e", name], code=2).err
    told = "There is no file of weights 'x.pt'"
    given = [*words(photos, out), "-e", name, "--encoder-weights", "x.pt"]
    assert told in run(given, code=1).err


def test_more_files_are_written_when_asked(photos, words, tmp_path, run, read_table):
    """They say what the table says, and are removed with the results they belong to."""
    parquet = pytest.importorskip("pyarrow.parquet")
    also = "parquet,json,probabilities,embedding"
    run(words(photos, tmp_path, "--also", also, epochs=1))
    rows = read_table(tmp_path / "clusters.csv")
    images = json.loads((tmp_path / "clusters.json").read_text("utf-8"))
    table = parquet.read_table(tmp_path / "clusters.parquet").to_pylist()
    probabilities = np.load(tmp_path / "probabilities.npy")
    embedding = np.load(tmp_path / "embedding.npy")
    assert len(rows) == len(probabilities) == len(embedding) == 25
    for row, image, line, each in zip(rows, images, table, probabilities, strict=True):
        assert list(row) == list(line)
        assert row["path"] == image["path"] == line["path"]
        if row["cluster"] == "":
            assert image["cluster"] is None is line["cluster"] is image["probabilities"]
            assert np.isnan(each).all()
            continue
        assert (
            int(row["cluster"]) == image["cluster"] == line["cluster"] == each.argmax()
        )
        np.testing.assert_allclose(image["probabilities"], each)
        assert row["name"] == f"cluster {row['cluster']}"
        assert int(row["second"]) == np.argsort(-each)[1]
    run(words(photos, tmp_path, "--also", "json", "--overwrite", epochs=1))
    names = {"clusters.parquet", "probabilities.npy", "embedding.npy"}
    assert not names & set(os.listdir(tmp_path))


def test_parquet_needs_its_library(photos, words, tmp_path, run, monkeypatch):
    """Without it the program ends before it has done anything."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed = run(words(photos, tmp_path / "out", "--also", "parquet"), code=2)
    assert "pip install 'sklearn-mfavb[parquet]'" in printed.err
    assert not (tmp_path / "out").exists()


def test_patterns_are_expanded_where_no_shell_does(photos, tmp_path, run, words):
    """A pattern stands for files; one that fits nothing is an error."""
    given = words(photos / "1*.png", tmp_path / "out", epochs=1)
    assert "10 images in 3 clusters" in run(given).out
    told = "There is no file or folder"
    assert told in run(words(photos / "x*.png", tmp_path / "new"), code=1).err


def test_features_beside_the_model_are_used(
    photos, words, tmp_path, tiny_model, tiny_weights, run, monkeypatch
):
    """Images of the fit are not encoded again, neither by `predict` nor `report`."""
    tiny = ["-e", "tiny-clip-of-the-tests", "--encoder-weights", tiny_weights]
    out = tmp_path / "out"
    run(words(photos, out, *tiny, epochs=1))

    def embed(*args, **kwargs):
        raise AssertionError("encoded again")

    monkeypatch.setattr("sklearn_mfavb.features.CLIPFeatures.embed", embed)
    run(["predict", out / "model.mfavb", photos, "-o", tmp_path / "new"])
    tables = [(each / "clusters.csv").read_bytes() for each in (out, tmp_path / "new")]
    assert tables[0] == tables[1]
    run(["report", out / "model.mfavb", photos, "-o", tmp_path / "new.html"])
