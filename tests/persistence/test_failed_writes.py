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
@pytest.mark.parametrize("before", ["before", None])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_failed_writes(fitted, tmp_path, monkeypatch, step, before, error):
    """What was there is whole, and nothing else is left; the error names the file."""
    path = tmp_path / "model.mfavb"
    if before is not None:
        path.write_text(before)

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)) as told:
        fitted.save(path)
    if isinstance(error, OSError):
        assert told.value.errno == errno.ENOSPC
        assert told.match(r"No space left on device.*model\.mfavb")
    assert [item.read_text() for item in tmp_path.iterdir()] == (
        [] if before is None else [before]
    )


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
