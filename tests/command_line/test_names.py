"""The program names clusters where the encoder has a text tower."""

from types import SimpleNamespace

import pytest
from safetensors.torch import save_file

from sklearn_mfavb.command_line._names import name_clusters
from sklearn_mfavb.persistence import load

WORDS = ["circle", "cross", "ring", "square"]
NUMBERS = ["cluster 0", "cluster 1", "cluster 2"]


@pytest.fixture
def with_text(words, photos, tiny_text_model, tmp_path):
    """Write the words of a `cluster` with an encoder that has a text tower."""
    weights, listed = tmp_path / "whole.safetensors", tmp_path / "words.txt"
    save_file(tiny_text_model.state_dict(), weights)
    listed.write_text("\n".join(WORDS), encoding="utf-8")
    encoder = ["--encoder", "tiny-clip-with-text", "--encoder-weights", weights]
    more = [*encoder, "--words", listed]
    return words(photos, tmp_path / "out", *more, epochs=1)


def test_names_are_in_the_model_and_words_in_the_cache(with_text, tmp_path, run):
    printed = run(with_text)
    assert "encoding words" in printed.err
    names = load(tmp_path / "out" / "model.mfavb").cluster_names_
    assert set(names) <= {*WORDS, *NUMBERS}
    assert set(names) & set(WORDS)
    assert list(tmp_path.glob("out/features/*/text/*.npz"))


def test_results_are_whole_without_the_text_tower(
    with_text, tmp_path, run, monkeypatch
):
    """If it cannot be obtained after training, clusters keep their numbers."""

    def fail(*args, **settings):
        raise OSError("The weights are on a disk that is gone.")

    monkeypatch.setattr("open_clip.create_model", fail)
    printed = run(with_text)
    assert "clusters have numbers for names: The weights" in printed.err
    assert load(tmp_path / "out" / "model.mfavb").cluster_names_ == NUMBERS
    assert (tmp_path / "out" / "clusters.csv").exists()


def test_words_without_a_text_tower_are_told(
    words, photos, tiny_weights, tmp_path, run
):
    """In a line, and nothing is said to be named."""
    listed = tmp_path / "words.txt"
    listed.write_text("\n".join(WORDS), encoding="utf-8")
    encoder = ["--encoder", "tiny-clip-of-the-tests", "--encoder-weights", tiny_weights]
    given = words(photos, tmp_path / "out", *encoder, "--words", listed, epochs=1)
    told = run(given).err
    assert "sklearn-mfavb: words name no clusters, which keep their numbers" in told
    assert "naming" not in told
    assert "name" not in run([*given[:-2], "--overwrite"]).err


def test_wrong_words_are_refused_before_the_work(with_text, tmp_path, run):
    (tmp_path / "words.txt").write_text("ring\nRing", encoding="utf-8")
    printed = run(with_text, code=2)
    assert "words.txt' has 'Ring' twice, in lines 1 and 2" in printed.err
    assert not (tmp_path / "out").exists()


def test_words_need_an_encoder(photos, words, tmp_path, run):
    printed = run(words(photos, tmp_path / "out", "--words", "words.txt"), code=2)
    assert "--words needs --encoder." in printed.err


def test_a_library_that_is_missing_leaves_numbers(capsys):
    """Training has ended by then, and is not to be lost."""

    def fail(words):
        raise ImportError("No module named 'transformers'")

    name_clusters(SimpleNamespace(encoder=["ViT-B-32"], name_clusters=fail), None)
    assert "clusters have numbers for names: No module" in capsys.readouterr().err
