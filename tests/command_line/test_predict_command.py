"""New images by a saved model: labels, and a page."""

import pytest
from PIL import Image

from sklearn_mfavb.datasets import make_shape_images


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


def test_few_images_have_no_agreement(given, tmp_path, run):
    """Ten neighbors of a handful of images are most of them."""
    assert "neighbor" not in run(["predict", *given, tmp_path / "few"]).out
    folder = tmp_path / "more"
    folder.mkdir()
    images, _ = make_shape_images(50, n_clusters=3, image_size=8, random_state=0)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    model, *_ = given
    told = run(["predict", model, folder, "-o", tmp_path / "results"]).out
    assert "; neighbor agreement" in told
    assert "(0 = chance, 1 = perfect; by pixels)" in told


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
