"""Tests of image files: broken ones, conversions, sizes."""

import os

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from sklearn_mfavb.images import Reading, open_images

GRAY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
SKIP = Reading(on_error="skip")


def save(path, value=0, *, mode="RGB", size=(6, 4)):
    """Write a plain image and return its path as a string."""
    Image.new(mode, size, value if mode == "L" else (value, value, 10)).save(path)
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


def test_grayscale_only_if_all_are(tmp_path):
    """Files are read as grayscale if every one is, as RGB otherwise."""
    gray = save(tmp_path / "gray.png", 50, mode="L")
    color = save(tmp_path / "color.png", 90)
    assert open_images([gray, gray]).n_channels == 1
    source = open_images([gray, color])
    assert source.n_channels == 3
    assert source.read([0], (4, 6)).unique().tolist() == [50]


def test_files_are_converted_to_the_fitted_channels(tmp_path):
    """New files become grayscale or RGB as the fitted ones were; nothing else."""
    gray = save(tmp_path / "gray.png", 50, mode="L")
    color = save(tmp_path / "color.png", 90)
    as_gray = open_images([color], format=open_images([gray]).format)
    as_color = open_images([gray], format=open_images([color]).format)
    luma = np.asarray(Image.open(color).convert("L"))
    np.testing.assert_array_equal(as_gray.read([0], (4, 6))[0, 0], luma)
    assert as_color.read([0], (4, 6)).shape == (1, 3, 4, 6)
    five = open_images(np.zeros((2, 4, 6, 5)), reading=Reading(channel_axis=-1))
    with pytest.raises(ValueError, match="5 channels"):
        open_images([gray], format=five.format)


@pytest.mark.parametrize(
    ("index", "error"), [(1, ValueError), (2, ValueError), (3, FileNotFoundError)]
)
def test_broken_files_raise(damaged, index, error):
    """A broken file is named, with the reason, before training can begin."""
    name = os.path.basename(damaged[index])
    with pytest.raises(error, match=f"image 1 .*{name}.*on_error='skip'"):
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


def test_opening_decodes_nothing(tmp_path, monkeypatch):
    """Files whose pixels nobody asks for are not decoded."""
    path = save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", None)
    source = open_images([path])
    source.keep((4, 6))
    assert len(source) == 1


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
