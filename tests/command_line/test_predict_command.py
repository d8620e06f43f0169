"""New images by a saved model: labels, and a page."""

import pytest

from sklearn_mfavb.command_line import main


@pytest.fixture
def given(photos, clustered):
    """Write what `predict` and `report` take."""
    return [str(clustered / "model.mfavb"), str(photos), "--out"]


def test_predicting_gives_the_labels_of_the_fit(
    given, clustered, tmp_path, read_summary
):
    """The same folder gets the same tables, sorted too if asked for."""
    out = tmp_path / "out"
    assert main(["predict", *given, str(out), "--sort", "link"]) == 0
    for table in ("clusters.csv", "skipped.csv"):
        assert (out / table).read_bytes() == (clustered / table).read_bytes()
    assert len(list((out / "clusters").glob("*/*.png"))) == 24
    assert read_summary(out)["model"] == str(clustered / "model.mfavb")
    assert main(["predict", *given, str(out)]) == 2


def test_predicting_into_results_keeps_their_training(given, tmp_path):
    """Replacing tables is no reason to remove a checkpoint."""
    (tmp_path / "training.checkpoint").write_bytes(b"hours")
    assert main(["predict", *given, str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "training.checkpoint").read_bytes() == b"hours"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--on-error", "raise", "broken.jpg"), ("--encoder-cache", "x", "has no encoder")],
)
def test_options_are_those_of_predicting(given, tmp_path, capsys, option, value, told):
    """What the model was fitted with does not decide, nor is an option ignored."""
    assert main(["predict", *given, str(tmp_path / "out"), option, value]) == 2
    assert told in capsys.readouterr().err


def test_report_writes_a_page(given, tmp_path, capsys):
    """A file that is there is replaced only if asked for."""
    page = tmp_path / "page.html"
    words = ["report", *given, str(page)]
    assert main(words) == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    page.write_text("mine", encoding="utf-8")
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert page.read_text("utf-8") == "mine"
    assert main([*words, "--overwrite"]) == 0
    assert page.read_text("utf-8") != "mine"


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [(None, 1, "There is no model"), (b"no model", 2, "was not loaded")],
    ids=["missing", "damaged"],
)
def test_what_is_no_model_is_told(photos, tmp_path, content, code, told, capsys):
    """The message names the file, and no folder is made."""
    model, out = tmp_path / "model.mfavb", tmp_path / "out"
    if content is not None:
        model.write_bytes(content)
    assert main(["predict", str(model), str(photos), "--out", str(out)]) == code
    printed = capsys.readouterr().err
    assert told in printed
    assert str(model) in printed
    assert "Traceback" not in printed
    assert not out.exists()
