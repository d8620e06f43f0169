"""Tests of image files: broken ones, conversions, sizes, and those of folders."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from sklearn_mfavb import folders
from sklearn_mfavb.images import (
    Reading,
    list_images,
    open_images,
    summarize_ignored,
)

SKIP = Reading(on_error="skip")


def save(path, value=70, *, mode="RGB", size=(6, 4), format=None):
    """Write a plain image and return its path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = value if mode == "L" else (value, value, 10)
    Image.new(mode, size, color).save(path, format)
    return str(path)


@pytest.fixture
def damaged(tmp_path):
    """Return five paths: good, truncated, not an image, missing, good."""
    good = save(tmp_path / "good.png", 50)
    truncated = tmp_path / "truncated.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(truncated)
    truncated.write_bytes(truncated.read_bytes()[:2000])
    text = tmp_path / "text.png"
    text.write_text("no image")
    missing = str(tmp_path / "missing.png")
    return [good, str(truncated), str(text), missing, save(tmp_path / "last.png", 90)]


def test_files_are_gray_or_rgb(tmp_path):
    """Gray if all those in fit are, else RGB, to which new files are converted."""
    gray = save(tmp_path / "gray.png", 50, mode="L")
    color = save(tmp_path / "color.png", 90)
    as_gray, as_color = open_images([gray, gray]), open_images([gray, color])
    assert (as_gray.n_channels, as_color.n_channels) == (1, 3)
    assert as_color.read([0], (4, 6)).unique().tolist() == [50]
    luma = np.asarray(Image.open(color).convert("L"))
    read = open_images([color], format=as_gray.format).read([0], (4, 6))
    np.testing.assert_array_equal(read[0, 0], luma)
    read = open_images([gray], format=as_color.format).read([0], (4, 6))
    assert read.shape == (1, 3, 4, 6)
    five = open_images(np.zeros((2, 4, 6, 5)), reading=Reading(channel_axis=-1))
    with pytest.raises(ValueError, match="5 channels"):
        open_images([gray], format=five.format)


@pytest.mark.parametrize(
    ("index", "error"), [(1, ValueError), (2, ValueError), (3, FileNotFoundError)]
)
def test_broken_files_raise(damaged, index, error):
    """A broken file is named, with the reason, before training can begin."""
    name = os.path.basename(damaged[index])
    with pytest.raises(
        error, match=f"image 1 .*{name}.*reading=Reading\\(on_error='skip'\\)"
    ):
        open_images([damaged[0], damaged[index]]).verify((4, 6))


def test_broken_files_are_skipped(damaged):
    """With skip, broken files are zeros in their place, with a reason each."""
    source = open_images(damaged, reading=SKIP)
    assert sorted(source.unreadable) == [2, 3]
    source.verify((4, 6))
    assert sorted(source.unreadable) == [1, 2, 3]
    assert "truncated" in source.unreadable[1]
    batch = source.read(range(5), (4, 6))
    assert batch[:, 0].amax((1, 2)).tolist() == [50, 0, 0, 0, 90]
    assert not batch[1:4].any()


def test_nothing_readable(damaged):
    """If no file can be read, skipping is no way out at fit; at predict it is."""
    with pytest.raises(ValueError, match="None of the 2 images can be read"):
        open_images(damaged[2:4], reading=SKIP)
    source = open_images(damaged[1:3], reading=SKIP)
    with pytest.raises(ValueError, match="None of the 2 images can be read"):
        source.verify((4, 6))
    fitted = open_images(damaged[:1]).format
    source = open_images(damaged[2:4], format=fitted, reading=SKIP)
    assert not source.read([0, 1], source.image_size).any()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_large_photographs(tmp_path, monkeypatch):
    """Images are read up to Pillow's own limit; beyond, its setting is named."""
    path = save(tmp_path / "a.png", 50, size=(60, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    assert open_images([path]).read([0], (4, 6)).any()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"a\.png.*PIL\.Image\.MAX_IMAGE_PIXELS"):
        open_images([path])


def test_one_decoding_serves_two_sizes(tmp_path, monkeypatch):
    """A JPEG is decoded once, at a scale for the kept size and the one asked for."""
    path = save(tmp_path / "a.jpg", 50, size=(512, 512))
    decoded = []
    load = JpegImagePlugin.JpegImageFile.load
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "load",
        lambda self: (self.tile and decoded.append(self.size)) or load(self),
    )
    source = open_images([path])
    source.keep((100, 100))
    assert source.read([0], (20, 20)).shape[-1] == 20
    assert source.read([0], (100, 100)).shape[-1] == 100
    assert decoded == [(256, 256)]


def test_folder(tmp_path):
    """A folder gives its images, sorted, from all levels, without hidden files."""
    names = ("b/1.png", "b/0.JPG", "a.webp", "stereo.mpo", "Füße 図像/été ß.png")
    paths = [save(tmp_path / name) for name in names]
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".cache" / "c.png")
    assert list_images(tmp_path) == (sorted(paths), {})
    for folder in (tmp_path, str(tmp_path)):
        assert open_images(folder).paths == sorted(paths)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("notes", ValueError, r"no image.*notes.*1 \.txt"),
        ("nowhere", FileNotFoundError, "no folder .*nowhere"),
        (None, FileNotFoundError, "''"),  # not the working folder
        ("a.png", ValueError, r"pass \[path\]"),
    ],
)
def test_refused_folders(tmp_path, name, error, message):
    """A folder that is none, or holds no images, is refused by name."""
    save(tmp_path / "a.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("not an image")
    with pytest.raises(error, match=message):
        open_images(tmp_path / name if name else "")


def test_every_real_folder_is_searched_once(tmp_path):
    """Links that lead back or up add nothing; files are named by their own folder."""
    root, elsewhere = tmp_path / "up" / "root", tmp_path / "elsewhere"
    paths = [save(root / "z" / f"{number}.png") for number in range(3)]
    save(elsewhere / "a.png")
    save(tmp_path / "up" / "above.png")
    targets = {"linked": elsewhere, "all": root, "a": root / "z", "self": root / "self"}
    for name, target in targets.items():
        os.symlink(target, root / name)
    os.symlink(root.parent, root / "z" / "up")
    found, ignored = list_images(root)
    assert found == sorted([*paths, str(root / "linked" / "a.png")])
    assert list(ignored) == [str(root / "self")]


def test_files_that_are_not_looked_at(tmp_path):
    """They are listed with reasons, and counted in a warning."""
    paths = [save(tmp_path / "a.png"), save(tmp_path / "scraped", format="JPEG")]
    names = [*(f"IMG_{i}.HEIC" for i in range(4)), "README", "notes.txt", "b.txt"]
    for name in names:
        (tmp_path / name).write_text("not an image")
    summary = (
        r"7 files were not looked at: 4 \.HEIC, 2 \.txt, 1 without an extension "
        r"\(install pillow-heif to read HEIC files\)"
    )
    with pytest.warns(UserWarning, match=summary) as caught:
        assert open_images(tmp_path).paths == paths
    assert caught[0].filename == __file__
    _, ignored = list_images(tmp_path)
    assert set(ignored) == {str(tmp_path / name) for name in names}
    assert ignored[str(tmp_path / "b.txt")] == ".txt is not an extension of images"
    assert summarize_ignored({"a.txt": ""}) == "1 file was not looked at: 1 .txt."


def test_heic_needs_pillow_heif(tmp_path, monkeypatch):
    """HEIC files are read if pillow-heif is there, and told of if not."""
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"a\.heic.*install pillow-heif"):
        open_images([path])
    calls = []
    fake = SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", fake)
    folders.readable_formats.cache_clear()
    monkeypatch.setitem(Image.OPEN, "HEIF", Image.OPEN["PNG"])
    monkeypatch.setitem(Image.EXTENSION, ".heic", "HEIF")
    try:
        assert list_images(tmp_path) == ([str(path)], {})
    finally:
        folders.readable_formats.cache_clear()
    assert calls == [1]


def test_a_subfolder_that_cannot_be_opened(tmp_path, monkeypatch):
    """It is an error, or with skip an entry of what was ignored."""
    path, theirs = save(tmp_path / "mine" / "a.png"), str(tmp_path / "theirs")
    save(tmp_path / "theirs" / "b.png")
    scandir = os.scandir

    def refuse(folder):
        if folder == theirs:
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match=r"on_error='skip' .*theirs"):
        open_images(tmp_path)
    with pytest.warns(UserWarning, match="1 unreadable folder"):
        source = open_images(tmp_path, reading=SKIP)
    assert source.paths == [path]
    _, ignored = list_images(tmp_path, on_error="skip")
    assert "Permission denied" in ignored[theirs]


def test_only_decodable_extensions_are_listed():
    """Documents that Pillow can only write or recognize are no images."""
    extensions = folders.readable_formats().keys()
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp", ".gif"} <= extensions
    assert not {".pdf", ".h5", ".mpg", ".eps"} & extensions


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    """A pipe under the name of an image is unreadable at once."""
    paths = [save(tmp_path / "a.png"), tmp_path / "pipe.png"]
    os.mkfifo(paths[1])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe\.png.*not a regular file"):
        open_images(paths)
    with pytest.warns(UserWarning, match="1 without an extension"):
        source = open_images(tmp_path, reading=SKIP)
    assert list(source.unreadable) == [1]
