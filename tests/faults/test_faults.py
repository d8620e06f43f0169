"""What is left of fits, models and features when something breaks.

Processes are killed by SIGKILL, at moments when there is something to lose, and disks
are real file systems that are too small. Work is in ``worker.py``.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sklearn_mfavb
from sklearn_mfavb.datasets import make_shape_images

pytestmark = pytest.mark.slow

WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def start(*words):
    return subprocess.Popen(
        [sys.executable, WORKER, *map(str, words)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def work(*words):
    process = start(*words)
    _, error = process.communicate()
    assert process.returncode == 0, error


def kill(process):
    assert process.poll() is None, process.stderr.read()
    process.kill()
    process.communicate()


def wait_for_files(folder, process):
    while not any(path.is_file() for path in folder.rglob("*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)


def transform(path):
    images, _ = make_shape_images(48, n_clusters=3, image_size=8, random_state=0)
    return sklearn_mfavb.load(path).transform(images)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Fit without a fault, and return the labels."""
    folder = tmp_path_factory.mktemp("fit")
    work("fit", folder / "checkpoint", folder / "labels.npy")
    return np.load(folder / "labels.npy")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Write two models, and return their paths with their embeddings."""
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / "first.mfavb", folder / "second.mfavb"]
    work("write_models", *paths)
    return paths, [transform(path) for path in paths]


@pytest.fixture(scope="module")
def embedded(tiny_weights, tmp_path_factory):
    """Embed without a fault, and return the cache and the features."""
    folder = tmp_path_factory.mktemp("encoder")
    work("embed", tiny_weights, folder / "cache", folder / "features.npy")
    return folder / "cache", np.load(folder / "features.npy")


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a file system of a size, and resizes it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(n_bytes):
        options = f"{'remount,' * len(mounted)}size={n_bytes}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting a small file system needs root")
        mounted[:] = [folder]
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_killed_fit_resumes_bit_for_bit(seconds, fitted, tmp_path):
    """A fit that is killed after an epoch goes on, to the result it would have had."""
    folder = tmp_path / "kept"
    folder.mkdir()
    words = ("fit", folder / "checkpoint", tmp_path / "labels.npy")
    process = start(*words)
    wait_for_files(folder, process)
    time.sleep(seconds)
    kill(process)
    work(*words)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), fitted)
    assert not (folder / "checkpoint").exists()


def test_killed_save_leaves_a_whole_model(models, tmp_path):
    """A file that is replaced over and over is one model or the other at any moment."""
    paths, expected = models
    target = tmp_path / "model.mfavb"
    rng = np.random.default_rng(0)
    for _ in range(3):
        target.write_bytes(paths[0].read_bytes())
        process = start("save_forever", *paths, target)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.2))
        kill(process)
        found = transform(target)
        assert any(np.array_equal(found, each) for each in expected)


def test_killed_feature_cache_stays_whole(embedded, tiny_weights, tmp_path):
    """What a killed run has kept is used by the next, which ends as without a kill."""
    _, expected = embedded
    words = ("embed", tiny_weights, tmp_path / "cache", tmp_path / "features.npy")
    process = start(*words)
    wait_for_files(tmp_path, process)
    kill(process)
    work(*words)
    assert np.array_equal(np.load(tmp_path / "features.npy"), expected)


def assert_told(process, disk):
    """Check that the error names reason and file, and nothing is left half-written."""
    _, error = process.communicate()
    assert process.returncode != 0
    last = error.strip().splitlines()[-1]
    assert "No space left on device" in last and str(disk) in last
    assert not list(disk.rglob(".mfavb-*"))


def test_full_disk_leaves_the_old_model(models, small_disk):
    """A model that finds no place does not replace the one before."""
    paths, expected = models
    disk = small_disk(int(1.5 * paths[0].stat().st_size))
    target = disk / "model.mfavb"
    target.write_bytes(paths[0].read_bytes())
    assert_told(start("save", paths[1], target), disk)
    assert np.array_equal(transform(target), expected[0])


def test_fit_goes_on_when_a_full_disk_has_space_again(fitted, small_disk, tmp_path):
    """A checkpoint that finds no place ends the fit with an error; nothing is lost."""
    disk = small_disk(65_536)
    words = ("fit", disk / "checkpoint", tmp_path / "labels.npy")
    assert_told(start(*words), disk)
    small_disk(2**26)
    work(*words)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), fitted)


def test_features_go_on_when_a_full_disk_has_space_again(
    embedded, tiny_weights, small_disk, tmp_path
):
    """Features that find no place end with an error; those kept before are used."""
    cache, expected = embedded
    n_bytes = sum(path.stat().st_size for path in cache.rglob("*"))
    disk = small_disk(n_bytes // 2)
    words = ("embed", tiny_weights, disk / "cache", tmp_path / "features.npy")
    assert_told(start(*words), disk)
    small_disk(2**26)
    work(*words)
    assert np.array_equal(np.load(tmp_path / "features.npy"), expected)
