"""New images by a saved model: labels, and a page."""

import pytest

from sklearn_mfavb.command_line import main


def test_predicting_gives_the_labels_of_the_fit(
    photos, clustered, tmp_path, read_summary
):
    """The same folder gets the same tables, sorted too if asked for."""
    out = tmp_path / "out"
    given = ["predict", str(clustered / "model.mfavb"), str(photos)]
    assert main([*given, "--out", str(out), "--sort", "link"]) == 0
    for table in ("clusters.csv", "skipped.csv"):
        assert (out / table).read_bytes() == (clustered / table).read_bytes()
    assert len(list((out / "clusters").glob("*/*.png"))) == 24
    assert read_summary(out)["model"] == str(clustered / "model.mfavb")
    assert main([*given, "--out", str(out)]) == 2


def test_predicting_into_results_keeps_their_training(photos, clustered, tmp_path):
    """Replacing tables is no reason to remove a checkpoint."""
    (tmp_path / "training.checkpoint").write_bytes(b"hours")
    given = ["predict", str(clustered / "model.mfavb"), str(photos), "--overwrite"]
    assert main([*given, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "training.checkpoint").read_bytes() == b"hours"


def test_broken_files_can_be_errors_of_predicting(photos, clustered, tmp_path, capsys):
    """What the model was fitted with does not decide about new files."""
    given = ["predict", str(clustered / "model.mfavb"), str(photos)]
    assert main([*given, "--out", str(tmp_path), "--on-error", "raise"]) == 2
    assert "broken.jpg" in capsys.readouterr().err


def test_a_cache_needs_an_encoder(photos, clustered, tmp_path, capsys):
    """An option that would have no effect is refused."""
    given = ["predict", str(clustered / "model.mfavb"), str(photos), "-o", "unmade"]
    assert main([*given, "--encoder-cache", str(tmp_path)]) == 2
    assert "has no encoder" in capsys.readouterr().err


def test_report_writes_a_page(photos, clustered, tmp_path, capsys):
    """A file that is there is replaced only if asked for."""
    page = tmp_path / "page.html"
    given = ["report", str(clustered / "model.mfavb"), str(photos), "--out", str(page)]
    assert main(given) == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    page.write_text("mine", encoding="utf-8")
    assert main(given) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert page.read_text("utf-8") == "mine"
    assert main([*given, "--overwrite"]) == 0
    assert page.read_text("utf-8") != "mine"


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [(None, 1, "There is no model"), (b"no model", 2, "was not loaded")],
    ids=["missing", "damaged"],
)
def test_what_is_no_model_is_told(photos, tmp_path, content, code, told, capsys):
    """The message names the file, and no folder is made."""
    model = tmp_path / "model.mfavb"
    if content is not None:
        model.write_bytes(content)
    out = tmp_path / "out"
    assert main(["predict", str(model), str(photos), "--out", str(out)]) == code
    printed = capsys.readouterr().err
    assert told in printed
    assert str(model) in printed
    assert "Traceback" not in printed
    assert not out.exists()
