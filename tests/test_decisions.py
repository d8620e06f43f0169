"""The format of decisions: what is read, and what is refused with a reason."""

import json
from types import SimpleNamespace

import pytest

from sklearn_mfavb.decisions import FORMAT, Decisions, model_fingerprint, read_decisions

WHOLE = {
    "format": FORMAT,
    "version": 1,
    "model": "abc",
    "folder": "/photos",
    "clusters": ["cars", "trees", "cars", None],
    "images": {"a/1.jpg": "bikes", "./=2.jpg": None},
}


@pytest.fixture
def write(tmp_path):
    """Write a document that differs from a whole one."""

    def write_document(**changed):
        path = tmp_path / "decisions.json"
        path.write_text(json.dumps({**WHOLE, **changed}), encoding="utf-8")
        return path

    return write_document


def test_clusters_are_renamed_merged_split_and_rejected(write):
    """Images follow their cluster unless they were moved themselves."""
    decisions = read_decisions(write())
    assert decisions.names == ["cars", "trees", "bikes"]
    paths = ["/photos/0.jpg", "/photos/a/1.jpg", "/photos/=2.jpg", "/photos/3.jpg"]
    assert decisions.assign(paths, [2, 1, 1, 3]) == ["cars", "bikes", None, None]
    assert decisions.assign(["/photos/4.jpg", "/photos/a/1.jpg"], [-1, -1]) == [
        None,
        "bikes",
    ]
    # The same names in another folder are other images.
    assert decisions.assign(["/new/a/1.jpg"], [1]) == ["trees"]


def test_default_names_have_the_new_numbers():
    """Names that people gave stay, and no two clusters get one name."""
    decisions = Decisions(["cluster 2", None, "cluster 2", "cluster 3", "cats"], {})
    assert decisions.names == ["cluster 0", "cluster 1", "cats"]
    assigned = decisions.assign(list("abcde"), [0, 1, 2, 3, 4])
    assert assigned == ["cluster 0", None, "cluster 0", "cluster 1", "cats"]
    moved = Decisions(["cluster 1", "cluster 0"], {"a": "cluster 7"})
    assert moved.names == ["cluster 0", "cluster 1", "cluster 2"]
    assert moved.assign(["a", "b"], [0, 0]) == ["cluster 2", "cluster 0"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"format": "GeoJSON"}, '"format" is not'),
        ({"version": 2}, '"version" is 2, but this release'),
        ({"clusters": []}, '"clusters" is not a list of names'),
        ({"clusters": ["a", " "]}, '"clusters" is not a list of names'),
        ({"clusters": {"0": "a"}}, '"clusters" is not a list of names'),
        ({"images": ["a.jpg"]}, '"images" does not map paths to names'),
        ({"images": {"a.jpg": 3}}, '"images" does not map paths to names'),
        ({"folder": 1}, '"folder" is neither a text nor null'),
    ],
)
def test_what_is_wrong_is_told(write, changed, told):
    """The error names the file and the entry."""
    with pytest.raises(ValueError, match=told) as caught:
        read_decisions(write(**changed))
    assert "decisions.json holds no decisions" in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b""])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json holds no decisions"):
        read_decisions(path)


def test_decisions_fit_one_model():
    """Another number of clusters or another training is refused."""
    decisions = Decisions(["a", "b"], {}, "abc")
    decisions.check_model(2, "abc")
    decisions.check_model(2, None)  # results of `predict` do not tell
    with pytest.raises(ValueError, match="about 2 clusters, but the model has 3"):
        decisions.check_model(3, "abc")
    with pytest.raises(ValueError, match="another model"):
        decisions.check_model(2, "other")


def test_fingerprint_survives_saving():
    """The order of entries and JSON change nothing, any figure does."""

    def of(*history):
        return model_fingerprint(SimpleNamespace(history_=history))

    row = {"epoch": 1, "loss": 0.1 + 0.2}
    assert of(json.loads(json.dumps(row))) == of(row)
    assert of({"loss": 0.1 + 0.2, "epoch": 1}) == of(row)
    assert of({"epoch": 1, "loss": 0.3}) != of(row)
