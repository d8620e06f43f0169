"""Features on disk: found again, resumed, never wrong."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from safetensors.torch import load_file, save_file

from sklearn_mfavb.features import _clip_features, _extraction
from sklearn_mfavb.features._extraction import FeatureStore
from sklearn_mfavb.images import ImageSource, Reading

SKIP = Reading(on_error="skip")


@pytest.fixture
def cached(tiny, tmp_path):
    """Make a transformer that keeps its features."""

    def make(**parameters):
        return tiny(**{"cache_dir": tmp_path / "cache", "batch_size": 4, **parameters})

    return make


@pytest.fixture
def embed(cached, count_embedded):
    """Return features from a cache, and how many images were embedded for them."""

    def run(X, **parameters):
        before = count_embedded.total
        features = cached(**parameters).transform(X)
        return features, count_embedded.total - before

    return run


def test_second_run_embeds_nothing(embed, tiny, photos):
    """What was computed once is read again, bit for bit."""
    first, n_embedded = embed(photos)
    assert n_embedded == 20
    assert_array_equal(first, tiny(batch_size=4).transform(photos))
    again, n_embedded = embed(photos[::-1], batch_size=3)
    assert n_embedded == 0
    assert_array_equal(again, first[::-1])


def test_second_run_builds_no_encoder(cached, pictures, photos, monkeypatch):
    """When everything is stored, no weights are read and no file is decoded."""
    (pictures / "broken.png").write_bytes(b"no picture")
    first = [cached(reading=SKIP).transform(X) for X in (photos, pictures)]
    monkeypatch.setattr(_clip_features, "load_encoder", None)
    assert_array_equal(cached(reading=SKIP).fit_transform(photos), first[0])
    monkeypatch.setattr(ImageSource, "read", None)
    assert_array_equal(cached(reading=SKIP).fit_transform(pictures), first[1])


def test_images_without_files(embed, pictures):
    """Images of several sizes are known by their pixels, once they are resized."""
    images = [Image.open(path) for path in sorted(pictures.iterdir())]
    first, _ = embed(images)
    again, n_embedded = embed(images[::-1])
    assert_array_equal(again, first[::-1])
    assert n_embedded == 0


def test_files_are_known_by_content(embed, pictures):
    """Moved files are found again; a changed one is computed anew."""
    first, _ = embed(pictures)
    moved = pictures.rename(pictures.with_name("moved"))
    again, n_embedded = embed(moved)
    assert_array_equal(again, first)
    assert n_embedded == 0
    Image.new("RGB", (32, 32), "red").save(moved / "3.png")
    second, n_embedded = embed(moved)
    assert n_embedded == 1
    assert_array_equal((first == second).all(axis=1), [True, True, True, False, True])


def test_interrupted_run_resumes(embed, tiny, photos, count_embedded):
    """Only what was not done is embedded."""
    count_embedded.limit = 12
    with pytest.raises(KeyboardInterrupt):
        embed(photos)
    count_embedded.limit = float("inf")
    features, n_embedded = embed(photos)
    assert n_embedded == len(photos) - 12
    assert_array_equal(features, tiny(batch_size=4).transform(photos))


def flip_byte(content):
    """Change one byte in the middle of the features."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flip_byte, lambda content: content[: len(content) // 2], lambda content: b""],
    ids=["byte", "truncated", "empty"],
)
def test_damaged_files_are_recomputed(embed, photos, tmp_path, damage):
    """Rows of a damaged file are computed again; other rows are kept."""
    first, _ = embed(photos)
    damaged = next(tmp_path.rglob("*.npz"))
    damaged.write_bytes(damage(damaged.read_bytes()))
    for expected in (4, 0):
        again, n_embedded = embed(photos)
        assert_array_equal(again, first)
        assert n_embedded == expected


def test_other_pixels_are_other_images(embed, photos):
    """One changed pixel, or the same bytes in another shape, make another image."""
    embed(photos)
    changed = photos.copy()
    changed[3, 5, 5] ^= 1
    assert embed(changed)[1] == 1
    assert embed(photos.reshape(20, 12, 48, 3))[1] == 20


def test_other_weights_are_another_encoder(embed, tiny_weights, photos, tmp_path):
    """New weights in the same file do not find the features of the old ones."""
    path = tmp_path / "weights.safetensors"
    weights = load_file(tiny_weights)
    save_file(weights, path)
    first, _ = embed(photos, pretrained=path)
    weights["visual.proj"] = -weights["visual.proj"]
    save_file(weights, path)
    assert_array_equal(embed(photos, pretrained=path)[0], -first)


def test_other_encoders_are_kept_apart(embed, register_model, photos):
    """Features of another architecture or in half precision are not found."""
    embed(photos, precision="bfloat16")
    embed(photos, model=register_model("tiny-other", no_ln_pre=False))
    assert embed(photos)[1] == 20


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
    for _ in range(2):
        features = cached(reading=SKIP).transform(pictures)
        assert np.flatnonzero(np.isnan(features).any(axis=1)).tolist() == [2]
    (pictures / "2.png").write_bytes(good)
    assert np.isfinite(cached(reading=SKIP).transform(pictures)).all()


def test_broken_files_cost_no_encoder(cached, pictures, monkeypatch):
    """The good files of a batch are kept; to see that others are broken takes none."""
    good = (pictures / "2.png").read_bytes()
    (pictures / "2.png").write_bytes(good[: len(good) // 2])
    first = cached(reading=SKIP, batch_size=64).transform(pictures)
    monkeypatch.setattr(_clip_features, "load_encoder", None)
    again = cached(reading=SKIP, batch_size=64).transform(pictures)
    assert_array_equal(again, first)
    assert np.isnan(first).any(axis=1).tolist() == [False, False, True, False, False]


def test_two_writers_share_a_folder(tmp_path):
    """Stores that are open at once keep each other's rows, without leftovers."""
    stores = [FeatureStore(tmp_path) for _ in range(2)]
    for value, store in enumerate(stores):
        store.add([bytes([value] * 16)], np.full((1, 2), value, dtype=np.float32))
    rows = FeatureStore(tmp_path).rows
    assert {key[0]: row.tolist() for key, row in rows.items()} == {0: [0, 0], 1: [1, 1]}
    assert len(list(tmp_path.iterdir())) == 2


def test_repeated_images_are_kept_once(cached, photos, tmp_path):
    """The same image twice in one run is one row on disk."""
    cached().transform(photos[[0, 1, 0, 1, 0]])
    (path,) = tmp_path.rglob("*.npz")
    with np.load(path) as arrays:
        assert arrays["features"].shape == (2, 12)


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
    """Their last byte counts, and so does how they are read."""
    path, content = tmp_path / "file", bytes(2**20)
    keys = set()
    for end in (b"a", b"b"):
        path.write_bytes(content + end)
        keys |= {_extraction.hash_file(path, kind) for kind in ("RGB", "grayscale")}
    assert len(keys) == 4
