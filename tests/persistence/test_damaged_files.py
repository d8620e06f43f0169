"""Files that are no whole models give clear errors, and never half a model."""

import zipfile

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

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


def test_cut_off_files(content, tmp_path):
    """A file that was cut off anywhere is refused by name."""
    lengths = np.random.default_rng(0).integers(9, len(content), 50)
    for length in (9, len(content) - 1, *lengths):
        with pytest.raises(ModelFileError, match=r"model\.mfavb.*is damaged, or"):
            load_bytes(content[:length], tmp_path)


def test_altered_bytes(content, fitted, images, tmp_path):
    """Whichever byte is another, nothing else is loaded than what was saved."""
    rng = np.random.default_rng(0)
    expected, n_refused = fitted.predict_proba(images), 0
    for place in (0, len(content) - 1, *rng.integers(len(content), size=100)):
        altered = bytearray(content)
        altered[place] ^= 1 << rng.integers(8)
        try:
            loaded = load_bytes(bytes(altered), tmp_path)
        except ModelFileError:
            n_refused += 1
        else:  # such as the date in the archive
            assert_array_equal(loaded.predict_proba(images), expected)
    assert n_refused >= 90


def repack(path, edit, compression=zipfile.ZIP_STORED):
    """Write the archive with its document edited."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, edit(part) if name == "config.json" else part)


def test_newer_formats(saved):
    """A format to come is named, and what to do about it."""
    version = b'"format_version": '
    repack(saved, lambda text: text.replace(version + b"1", version + b"2"))
    told = r"format version 2, .* reads 1: install the version that wrote it"
    with pytest.raises(ModelFileError, match=told):
        sklearn_mfavb.load(saved)


@pytest.mark.parametrize("text", [b"", b"[1]", b'"text"', b"{}", b"[" * 100_000])
def test_documents_of_another_kind(saved, text):
    """Whatever the document is, the error is the usual one."""
    repack(saved, lambda before: text)
    with pytest.raises(ModelFileError, match=r"model\.mfavb' was not loaded: it"):
        sklearn_mfavb.load(saved)


def test_compressed_archives(saved):
    """A small archive of much would fill the memory."""
    repack(saved, lambda text: text, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="it is compressed"):
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
        (lambda path, trap: joblib.dump(trap, path), "not a zip file"),
        (lambda path, trap: torch.save(trap, path), r"config\.json"),
        (lambda path, trap: path.write_bytes(b""), "not a zip file"),
    ],
    ids=["joblib", "torch", "empty"],
)
def test_other_files(tmp_path, write, told):
    """Other kinds of files are refused, and nothing in them runs."""
    path = tmp_path / "model.mfavb"
    write(path, Trap(str(tmp_path / "sprung")))
    with pytest.raises(
        ModelFileError, match=rf"model\.mfavb' .* not a model file.*{told}"
    ):
        sklearn_mfavb.load(path)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_file(tmp_path):
    """A missing file and a folder are the usual errors, with the name."""
    with pytest.raises(FileNotFoundError, match=r"nothing\.mfavb"):
        sklearn_mfavb.load(tmp_path / "nothing.mfavb")
    with pytest.raises(IsADirectoryError):
        sklearn_mfavb.load(tmp_path)
