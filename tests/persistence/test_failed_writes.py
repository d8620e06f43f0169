"""What is left when a model cannot be written."""

import errno
import os

import pytest
from numpy.testing import assert_array_equal

import sklearn_mfavb

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("is_there", [True, False])
def test_failing_disk(fitted, tmp_path, monkeypatch, step, is_there):
    """The error names the file; what was there is whole, and nothing else is left."""
    path = tmp_path / "model.mfavb"
    path.write_text("before") if is_there else None

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=r"No space left on device.*model\.mfavb") as told:
        fitted.save(path)
    assert told.value.errno == errno.ENOSPC
    assert [item.name for item in tmp_path.iterdir()] == ["model.mfavb"] * is_there
    assert not is_there or path.read_text() == "before"


def test_interruption(fitted, tmp_path, monkeypatch):
    """Ctrl-C while writing leaves nothing behind."""

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted.save(tmp_path / "model.mfavb")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(fitted, tmp_path):
    """A folder, and a file in a folder that is missing, are refused by name."""
    with pytest.raises(IsADirectoryError, match=r"folder, .* name of a file"):
        fitted.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"missing/model\.mfavb"):
        fitted.save(tmp_path / "missing" / "model.mfavb")
    assert list(tmp_path.iterdir()) == []


def test_a_model_takes_the_place_of_another(make, images, fitted, tmp_path):
    """A file is replaced behind its link, with its permissions."""
    path, link = tmp_path / "model.mfavb", tmp_path / "latest.mfavb"
    fitted.save(path)
    path.chmod(0o640)
    link.symlink_to(path)
    other = make(random_state=1).fit(images)
    other.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    loaded = sklearn_mfavb.load(path)
    assert_array_equal(loaded.transform(images), other.transform(images))
