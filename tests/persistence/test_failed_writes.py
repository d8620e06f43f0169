"""What is left when a model cannot be written."""

import errno
import os
import subprocess

import pytest
from numpy.testing import assert_array_equal

import sklearn_mfavb

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture
def tiny_disk(tmp_path):
    """Mount a disk of 300 kB, where the tests may do that."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("disks cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


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


def test_full_disk(make, images, fitted, tiny_disk):
    """A model that finds no place leaves the one before it as it was."""
    path = tiny_disk / "model.mfavb"
    larger = make(embed_dim=64).fit(images)
    fitted.save(path)
    with pytest.raises(OSError, match=r"No space left on device.*model\.mfavb"):
        larger.save(path)
    assert list(tiny_disk.iterdir()) == [path]
    assert_array_equal(sklearn_mfavb.load(path).predict(images), fitted.labels_)


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(fitted, tmp_path):
    """The error names the file."""
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"model\.mfavb"):
        fitted.save(tmp_path / "model.mfavb")


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
