"""Files that are no whole models give clear errors, and never half a model."""

import json
import pickle

import joblib
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import sklearn_mfavb
from sklearn_mfavb.persistence import ModelFileError

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def content(fitted, tmp_path_factory):
    """Return the bytes of a saved model."""
    path = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(path)
    return path.read_bytes()


def load_bytes(content, tmp_path):
    """Load a file of those bytes."""
    path = tmp_path / "model.mfavb"
    path.write_bytes(content)
    return sklearn_mfavb.load(path)


def change_metadata(path, **changes):
    """Write another header around the same tensors."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        metadata = {**file.metadata(), **changes}
    save_file(tensors, path, metadata)


def test_cut_off_files(content, tmp_path):
    """A file that was cut off anywhere is refused by name."""
    header = 8 + int.from_bytes(content[:8], "little")
    lengths = np.random.default_rng(0).integers(9, len(content), 50)
    for length in (9, header - 1, header, header + 1, len(content) - 1, *lengths):
        with pytest.raises(ModelFileError, match=r"model\.mfavb.* cut off or damaged"):
            load_bytes(content[:length], tmp_path)
    with pytest.raises(ModelFileError, match=r"cut off or damaged"):
        load_bytes(content + b"\0", tmp_path)


def test_altered_bytes(content, tmp_path):
    """Whichever byte is another, nothing is loaded."""
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    places = [
        -1,  # a bit of a weight
        *range(8),
        *rng.integers(8, header, 300),
        *rng.integers(header, len(content), 60),
    ]
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << rng.integers(8)
        with pytest.raises(ModelFileError, match=r"model\.mfavb' was not loaded: it"):
            load_bytes(bytes(altered), tmp_path)


def test_altered_document(saved):
    """Neither can the document be edited without notice."""
    with safe_open(saved, framework="pt") as file:
        document = json.loads(file.metadata()["document"])
    document["params"]["n_clusters"] = 4
    change_metadata(saved, document=json.dumps(document))
    with pytest.raises(ModelFileError, match="its checksum is not"):
        sklearn_mfavb.load(saved)


@pytest.mark.parametrize("version", ["2", "10"])
def test_newer_formats(saved, version):
    """A format to come is named, and what to do about it."""
    change_metadata(saved, format_version=version)
    told = rf"format version {version}, .* reads versions up to 1: install a newer"
    with pytest.raises(ModelFileError, match=told):
        sklearn_mfavb.load(saved)


class Trap:
    """Write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda path, trap: joblib.dump(trap, path), "is a pickle, .*runs the code"),
        (
            lambda path, trap: path.write_bytes(pickle.dumps(trap)),
            "is a pickle, .*`save` writes safetensors",
        ),
        (lambda path, trap: torch.save(trap, path), "is a zip archive, as of torch"),
        (
            lambda path, trap: save_file({"weight": torch.zeros(3)}, path),
            "is a safetensors file, but not of a model .*format None, not",
        ),
        (lambda path, trap: path.write_text("n_clusters: 3\n"), "is no safetensors"),
        (lambda path, trap: path.write_bytes(b""), "is empty"),
    ],
    ids=["joblib", "pickle", "torch", "safetensors", "text", "empty"],
)
def test_other_files(tmp_path, write, told):
    """Other kinds of files are told by their kind, and nothing in them runs."""
    path = tmp_path / "model.mfavb"
    write(path, Trap(str(tmp_path / "sprung")))
    with pytest.raises(
        ModelFileError, match=rf"model\.mfavb' was not loaded: it {told}"
    ):
        sklearn_mfavb.load(path)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_file(tmp_path):
    """A missing file and a folder are the usual errors, with the name."""
    with pytest.raises(FileNotFoundError, match=r"a model is one file.*nothing\.mfavb"):
        sklearn_mfavb.load(tmp_path / "nothing.mfavb")
    with pytest.raises(IsADirectoryError, match="a model is one file"):
        sklearn_mfavb.load(tmp_path)
