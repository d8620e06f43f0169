"""Features on disk: found again, resumed, never wrong."""

import errno
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import timm
from numpy.testing import assert_array_equal
from PIL import Image
from safetensors.torch import load_file, save_file

from sklearn_mfavb.features import CLIPFeatures, _clip_features, _extraction
from sklearn_mfavb.features._extraction import FeatureStore
from sklearn_mfavb.images import ImageSource, Reading

SKIP = Reading(on_error="skip")


@pytest.fixture
def cached(tiny, tmp_path):
    """Make a transformer that keeps its features."""

    def make(**parameters):
        return tiny(**{"cache_dir": tmp_path / "cache", "batch_size": 4, **parameters})

    return make


def shards(folder):
    """List the files with features."""
    return sorted(folder.rglob("*.npz"))


def test_second_run_embeds_nothing(cached, tiny, photos, count_embedded):
    """What was computed once is read again, bit for bit."""
    first = cached().transform(photos)
    assert_array_equal(first, tiny(batch_size=4).transform(photos))
    count_embedded.total = 0
    assert_array_equal(cached().transform(photos), first)
    assert_array_equal(cached(batch_size=3).transform(photos[::-1]), first[::-1])
    assert count_embedded.total == 0


def test_second_run_builds_no_encoder(cached, pictures, photos, monkeypatch):
    """When everything is stored, no weights are read and no file is decoded."""
    (pictures / "broken.png").write_bytes(b"no picture")
    first = [cached(reading=SKIP).transform(X) for X in (photos, pictures)]
    monkeypatch.setattr(_clip_features, "load_encoder", None)
    assert_array_equal(cached(reading=SKIP).fit_transform(photos), first[0])
    monkeypatch.setattr(ImageSource, "read", None)
    assert_array_equal(cached(reading=SKIP).fit_transform(pictures), first[1])


def test_images_without_files(cached, pictures, count_embedded):
    """Images of several sizes are known by their pixels, once they are resized."""
    images = [Image.open(path) for path in sorted(pictures.iterdir())]
    first = cached().transform(images)
    assert_array_equal(cached().transform(images[::-1]), first[::-1])
    assert count_embedded.total == 5


SECOND_RUN = """
import sys
import numpy as np
from PIL import ImageFile
from sklearn_mfavb.features import CLIPFeatures

ImageFile.ImageFile.load = None
transformer = CLIPFeatures("test_vit", sys.argv[1], cache_dir=sys.argv[2])
np.save(sys.argv[4], transformer.fit_transform(sys.argv[3]))
assert not {"open_clip", "timm"} & sys.modules.keys()
"""


def test_second_run_imports_no_library(pictures, tmp_path):
    """A new process takes files' features from disk with neither open_clip nor timm."""
    weights, cache = tmp_path / "vit.safetensors", tmp_path / "cache"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), weights)
    first = CLIPFeatures("test_vit", weights, cache_dir=cache).transform(pictures)
    paths = map(str, (weights, cache, pictures, tmp_path / "again.npy"))
    command = [sys.executable, "-c", SECOND_RUN, *paths]
    subprocess.run(command, check=True)
    assert_array_equal(np.load(tmp_path / "again.npy"), first)


def test_files_are_known_by_content(cached, pictures, count_embedded):
    """Moved files are found again; a changed one is computed anew."""
    first = cached().transform(pictures)
    moved = pictures.rename(pictures.with_name("moved"))
    count_embedded.total = 0
    assert_array_equal(cached().transform(moved), first)
    assert count_embedded.total == 0
    Image.new("RGB", (32, 32), "red").save(moved / "3.png")
    second = cached().transform(moved)
    assert count_embedded.total == 1
    assert_array_equal((first == second).all(axis=1), [True, True, True, False, True])


def test_interrupted_run_resumes(cached, tiny, photos, count_embedded):
    """Only what was not done is embedded."""
    count_embedded.limit = 12
    with pytest.raises(KeyboardInterrupt):
        cached().transform(photos)
    count_embedded.limit, count_embedded.total = float("inf"), 0
    features = cached().transform(photos)
    assert count_embedded.total == len(photos) - 12
    assert_array_equal(features, tiny(batch_size=4).transform(photos))


def flip_byte(path):
    """Change one byte in the middle of the features."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def truncate(path):
    """Cut off the second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "byte": flip_byte,
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no features"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_recomputed(cached, photos, tmp_path, count_embedded, damage):
    """Rows of a damaged file are computed again; other rows are kept."""
    first = cached().transform(photos)
    damaged = shards(tmp_path)[0]
    DAMAGES[damage](damaged)
    count_embedded.total = 0
    assert_array_equal(cached().transform(photos), first)
    assert count_embedded.total == 4
    count_embedded.total = 0
    assert_array_equal(cached().transform(photos), first)
    assert count_embedded.total == 0


def test_other_pixels_are_other_images(cached, photos, count_embedded):
    """One changed pixel, or the same bytes in another shape, make another image."""
    cached().transform(photos)
    count_embedded.total = 0
    changed = photos.copy()
    changed[3, 5, 5] ^= 1
    cached().transform(changed)
    assert count_embedded.total == 1
    cached().transform(photos.reshape(20, 12, 48, 3))
    assert count_embedded.total == 21


def test_other_weights_are_another_encoder(cached, tiny_weights, photos, tmp_path):
    """New weights in the same file do not find the features of the old ones."""
    path = tmp_path / "weights.safetensors"
    weights = load_file(tiny_weights)
    save_file(weights, path)
    first = cached(pretrained=path).transform(photos)
    weights["visual.proj"] = -weights["visual.proj"]
    save_file(weights, path)
    second = cached(pretrained=path).transform(photos)
    assert not np.isclose(first, second).all()
    assert_array_equal(second, -first)


def test_other_encoders_are_kept_apart(cached, register_model, photos, count_embedded):
    """Features of another architecture or in half precision are not found."""
    cached(precision="bfloat16").transform(photos)
    other = register_model("tiny-other", no_ln_pre=False, patch_size=16)
    cached(model=other).transform(photos)
    count_embedded.total = 0
    cached().transform(photos)
    assert count_embedded.total == 20


def test_files_of_more_than_8_bits(cached, tiny, tmp_path, count_embedded):
    """Their features depend on the range of all, which fit learns for other files."""
    folder = tmp_path / "deep"
    folder.mkdir()
    shades = np.linspace(0, 0.5, 32 * 32, dtype=np.float32).reshape(32, 32)
    for index, factor in enumerate([1, 2, 4]):
        Image.fromarray(factor * shades).save(folder / f"{index}.tif")
    paths = sorted(folder.iterdir())
    fitted = cached().fit(paths)
    first = fitted.transform(paths)
    assert_array_equal(fitted.transform(paths[:1]), first[:1])
    assert count_embedded.total == 3
    alone = cached().transform(paths[:1])
    assert_array_equal(alone, tiny().transform(paths[:1]))
    assert not np.allclose(alone, first[:1])


def test_skipped_files_are_not_kept(cached, pictures):
    """A file that could not be read is tried again by every run."""
    good = (pictures / "2.png").read_bytes()
    (pictures / "2.png").write_bytes(good[: len(good) // 2])
    first = cached(reading=SKIP).transform(pictures)
    assert_array_equal(np.isnan(first).any(axis=1), [False, False, True, False, False])
    again = cached(reading=SKIP).transform(pictures)
    assert_array_equal(again, first)
    (pictures / "2.png").write_bytes(good)
    assert np.isfinite(cached(reading=SKIP).transform(pictures)).all()


def test_two_writers_share_a_folder(tmp_path):
    """Stores that are open at once keep each other's rows, without leftovers."""
    stores = [FeatureStore(tmp_path) for _ in range(2)]
    for value, store in enumerate(stores):
        keys = [
            os.urandom(_extraction.KEY_BYTES - 1) + bytes([value]) for _ in range(3)
        ]
        store.add(keys, np.full((3, 2), value, dtype=np.float32))
        assert_array_equal(FeatureStore(tmp_path).rows[keys[1]], [value, value])
    assert len(list(tmp_path.iterdir())) == 2


def test_repeated_images_are_kept_once(cached, photos, tmp_path):
    """The same image twice in one run is one row on disk."""
    cached().transform(photos[[0, 1, 0, 1, 0]])
    with np.load(*shards(tmp_path)) as arrays:
        assert arrays["features"].shape == (2, 12)


def test_a_full_disk_is_told_and_leaves_nothing_half(cached, photos, monkeypatch):
    """The error names the file; what is not kept is computed again."""

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"No space left.*cache") as told:
            cached().transform(photos)
    folder = os.path.dirname(told.value.filename)
    assert not any(name.endswith(".tmp") for name in os.listdir(folder))
    assert np.isfinite(cached().transform(photos)).all()


def test_only_readable_files_are_hashed(cached, pictures, monkeypatch):
    """A file that is no picture may be of any size, and is left alone."""
    hashed = []
    hash_file = _extraction.hash_file

    def count(path, kind):
        hashed.append(os.path.basename(path))
        return hash_file(path, kind)

    monkeypatch.setattr(_extraction, "hash_file", count)
    (pictures / "huge.png").write_bytes(bytes(100))
    cached(reading=SKIP).transform(pictures)
    assert hashed == [f"{number}.png" for number in range(5)]


def test_large_files_are_hashed_as_a_whole(tmp_path):
    """The parts in which a file is read make the key of the whole."""
    path, content = tmp_path / "file", bytes(range(256)) * 4096
    path.write_bytes(content)
    key = _extraction.hash_file(path, "RGB")
    size = _extraction.KEY_BYTES
    assert key == hashlib.blake2b(b"file RGB\0" + content, digest_size=size).digest()
    assert _extraction.hash_file(path, "grayscale") != key
