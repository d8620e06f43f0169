"""Tests of the pixel rules: ranges, scaling and values that are no pixels."""

import numpy as np
import pytest
import torch

from sklearn_mfavb.images import Reading, _pixels, _values, open_images


def read_all(source):
    """Return all images of a source at their native size."""
    return source.read(range(len(source)), source.image_size)


@pytest.mark.parametrize(
    ("images", "dtype"),
    [
        (np.arange(64, dtype=np.uint8).reshape(2, 4, 8), torch.uint8),
        *(
            (np.eye(4, 8)[None].repeat(2, axis=0).astype(dtype), torch.float32)
            for dtype in (bool, np.float16, np.float32, np.float64)
        ),
    ],
)
def test_values_of_images_are_unchanged(images, dtype):
    """8-bit pixels are read as bytes, bools and floats in [0, 1] as float32."""
    batch = read_all(open_images(images))
    assert batch.dtype == dtype
    np.testing.assert_array_equal(batch[:, 0].numpy(), images)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ([0.0, 255.0], r"float64 values from 0 to 255.*divide by 255"),
        ([-1.0, 1.0], r"from -1 to 1.*pixel_range=\(-1, 1\)"),
        ([-9.0, 2.0], "from -9 to 2.*pixel_range='data'"),
        ([0, 200], r"int64 values from 0 to 200.*astype\(np.uint8\)"),
        ([0, 4095], r"from 0 to 4095.*pixel_range=\(0, 65535\)"),
        ([0, 1], "int64 values from 0 to 1.*uint8"),
    ],
)
def test_values_that_are_no_pixels(values, advice):
    """Values outside the convention are refused with type, range and remedy."""
    with pytest.raises(ValueError, match=advice):
        open_images(np.resize(np.array(values), (2, 4, 8)))


def test_explicit_range():
    """An explicit range is scaled to [0, 1], and values outside are refused."""
    images = np.linspace(-1, 3, 64).reshape(2, 4, 8)
    batch = read_all(open_images(images, reading=Reading(pixel_range=(-1, 3))))
    np.testing.assert_allclose(batch[:, 0], (images + 1) / 4, atol=1e-7)
    with pytest.raises(ValueError, match=r"from -1 to 3.*pixel_range is \(0, 3\)"):
        open_images(images, reading=Reading(pixel_range=(0, 3)))


def test_explicit_range_of_bytes():
    """Bytes with a smaller explicit range are scaled, and checked."""
    images = np.full((2, 4, 8), 50, dtype=np.uint8)
    batch = read_all(open_images(images, reading=Reading(pixel_range=(0, 100))))
    assert (batch == 0.5).all()
    with pytest.raises(ValueError, match="from 50 to 50"):
        open_images(images, reading=Reading(pixel_range=(0, 40)))


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_data_range_is_learned_and_extrapolated(offset):
    """With "data" the range of fit is black and white for new images too."""
    images = offset + np.linspace(-2, 2, 64).reshape(2, 4, 8)
    source = open_images(images, reading=Reading(pixel_range="data"))
    assert source.format.pixel_range == (offset - 2, offset + 2)
    new = open_images(np.full((1, 4, 8), offset + 6), format=source.format)
    assert (read_all(new) == 2.0).all()
    assert read_all(source).unique().numel() == 64


def test_constant_data():
    """Constant images are read as zeros rather than divided by zero."""
    reading = Reading(pixel_range="data")
    assert not read_all(open_images(np.full((3, 4, 8), 7.0), reading=reading)).any()


@pytest.mark.parametrize("shape", [(2, 25), (2, 4, 8), (2, 6, 6, 3)])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_values_that_are_no_numbers(shape, value, word):
    """NaN and infinity are refused by name, at fit and at predict, for every rule."""
    images = np.zeros(shape, dtype=np.float32)
    readings = [Reading(pixel_range=rule) for rule in ("auto", "data")]
    fitted = [open_images(images, reading=each).format for each in readings]
    images.flat[-1] = value
    for format in (None, *fitted):
        with pytest.raises(ValueError, match=f"Input X contains {word}"):
            open_images(images, format=format)


def test_bytes_and_floats_mean_the_same():
    """A format learned from bytes reads floats in [0, 1] as the same images."""
    images = np.arange(64, dtype=np.uint8).reshape(2, 4, 8)
    fitted = open_images(images).format
    floats = read_all(open_images(images / 255, format=fitted))
    np.testing.assert_allclose(floats[:, 0], images / 255, atol=1e-7)
    with pytest.raises(ValueError, match="divide by 255"):
        open_images(images.astype(float), format=fitted)


def test_scans_go_in_chunks(monkeypatch):
    """A scan sees every image although no chunk holds more than the limit."""
    monkeypatch.setattr(_values, "CHUNK_BYTES", 3 * 32 * 8)
    images = np.random.default_rng(0).random((10, 4, 8))
    lengths = [len(chunk) for chunk in _values.iterate_chunks(images)]
    assert lengths == [3, 3, 3, 1]
    low_high = _pixels.measure_range(_values.iterate_chunks(images))
    assert low_high == (images.min(), images.max())


def test_bytes_are_not_scanned(monkeypatch):
    """8-bit arrays are accepted by their type, without reading them."""
    monkeypatch.setattr(_pixels, "_extremes", None)
    assert len(open_images(np.zeros((2, 4, 8), dtype=np.uint8))) == 2
