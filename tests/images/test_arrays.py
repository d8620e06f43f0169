"""Tests of images in one array: their axes, shapes and values."""

import numpy as np
import pytest

from sklearn_mfavb.images import Reading, _format, _values, open_images

LAST, FIRST = Reading(channel_axis=-1), Reading(channel_axis=1)
DATA = Reading(pixel_range="data")


def pixels(*shape):
    """Return random 8-bit pixels."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read_all(X, **options):
    """Return all images at their native size, as an array."""
    source = open_images(X, **options)
    return source.read(range(len(source)), source.image_size).numpy()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 6, 3), "have 2 axes.*channel_axis=1"),
        ((2, 5, 6, 7), "have no axes.*channel_axis=1"),
    ],
)
def test_channel_axis_resolves_what_the_shape_does_not(shape, message):
    """Channels on both axes, or on none, are an error that channel_axis resolves."""
    images = pixels(*shape)
    with pytest.raises(ValueError, match=message):
        open_images(images)
    first = open_images(images, reading=FIRST)
    last = open_images(images, reading=LAST)
    assert (first.n_channels, first.image_size) == (shape[1], shape[2:])
    assert (last.n_channels, last.image_size) == (shape[3], shape[1:3])


@pytest.mark.parametrize(
    ("n_features", "image_shape", "size", "n_channels"),
    [
        (30, (5, 6), (5, 6), 1),
        (30, (-1, 6), (5, 6), 1),
        (30, (2, 5, 3), (2, 5), 3),
        (30, (3, 2, -1), (2, 5), 3),
        (36, None, (6, 6), 1),
        (48, None, (4, 4), 3),
    ],
)
def test_rows(n_features, image_shape, size, n_channels):
    """Rows are read by image_shape, one length inferred, or else as square images."""
    rows = pixels(2, n_features)
    source = open_images(rows, reading=Reading(image_shape=image_shape))
    assert (source.image_size, source.n_channels) == (size, n_channels)


@pytest.mark.parametrize(
    ("shape", "image_shape", "message"),
    [
        ((6, 5, 3), None, r"X\[None\]"),  # one image
        ((2, 24), None, r'24 features.*Reading\(image_shape=.*encoder="precomputed"'),
        ((2, 30), (6, 6), r"30 features.*image_shape=\(6, 6\)"),
        ((2, 30), (7, -1), r"30 features.*image_shape=\(7, -1\)"),
        ((2, 30), (60, -1), r"30 features.*image_shape=\(60, -1\)"),
    ],
)
def test_shapes_that_are_refused(shape, image_shape, message):
    """The error tells both numbers and what would be right."""
    with pytest.raises(ValueError, match=message):
        open_images(pixels(*shape), reading=Reading(image_shape=image_shape))


def test_new_images_must_fit_the_format():
    """New arrays need the fitted channels, new rows the fitted length."""
    fitted = open_images(pixels(2, 6, 6, 3)).format
    with pytest.raises(ValueError, match=r"\(6, 6, 1\) do not have the 3 channel"):
        open_images(pixels(2, 6, 6, 1), format=fitted)
    with pytest.raises(ValueError, match=r"27 features.*\(6, 6, 3\)"):
        open_images(pixels(2, 27), format=fitted)
    larger = open_images(pixels(2, 9, 8, 3), format=fitted)
    assert larger.read([0, 1], (6, 6)).shape == (2, 3, 6, 6)
    assert larger.format == fitted


def test_new_images_keep_the_channel_axis():
    """A layout that was ambiguous at fit is read the fitted way afterwards."""
    fitted = open_images(pixels(2, 3, 6, 3), reading=FIRST).format
    assert open_images(pixels(2, 3, 4, 3), format=fitted).image_size == (4, 3)
    gray = open_images(pixels(2, 5, 5)).format
    assert open_images(pixels(2, 1, 5, 1), format=gray).image_size == (1, 5)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ([0.0, 255.0], r"float64 values from 0 to 255.*divide by 255"),
        ([-1.0, 1.0], r"from -1 to 1.*pixel_range=\(-1, 1\)"),
        ([-9.0, 2.0], "from -9 to 2.*pixel_range='data'.*encoder=\"precomputed\""),
        ([0, 200], r"int64 values from 0 to 200.*astype\(np.uint8\)"),
        ([0, 4095], r"from 0 to 4095.*pixel_range=\(0, 65535\)"),
        ([0, 1], "int64 values from 0 to 1.*uint8"),
    ],
)
def test_values_that_are_no_format(values, advice):
    """Values outside the convention are refused with type, range and remedy."""
    with pytest.raises(ValueError, match=advice):
        open_images(np.resize(np.array(values), (2, 4, 8)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_explicit_range(dtype):
    """An explicit range is scaled to [0, 1], and values outside are refused."""
    images = np.arange(50, 114).reshape(2, 4, 8).astype(dtype)
    read = read_all(images, reading=Reading(pixel_range=(40, 120)))
    np.testing.assert_allclose(read[:, 0], (images - 40) / 80, atol=1e-7)
    with pytest.raises(ValueError, match=r"from 50 to 113.*pixel_range is \(0, 100\)"):
        open_images(images, reading=Reading(pixel_range=(0, 100)))


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_data_range_is_learned_and_extrapolated(offset):
    """With "data" the range of fit is black and white for new images too."""
    images = offset + np.linspace(-2, 2, 64).reshape(2, 4, 8)
    fitted = open_images(images, reading=DATA).format
    assert fitted.pixel_range == (offset - 2, offset + 2)
    assert (read_all(np.full((1, 4, 8), offset + 6), format=fitted) == 2.0).all()
    assert len(np.unique(read_all(images, reading=DATA))) == 64
    # Constant images are zeros rather than divided by zero.
    assert not read_all(np.full((3, 4, 8), offset), reading=DATA).any()


@pytest.mark.parametrize("reading", [Reading(), DATA])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_values_that_are_no_numbers(reading, value, word):
    """NaN and infinity are refused by name, at fit and at predict, for every rule."""
    images = np.zeros((2, 4, 8), dtype=np.float32)
    fitted = open_images(images, reading=reading).format
    images[-1, -1, -1] = value
    for options in ({"reading": reading}, {"format": fitted}):
        with pytest.raises(ValueError, match=f"Input X contains {word}"):
            open_images(images, **options)


def test_bytes_and_floats_mean_the_same():
    """A format learned from bytes reads floats in [0, 1] as the same images."""
    images = pixels(2, 4, 8)
    fitted = open_images(images).format
    read = read_all(images / 255, format=fitted)
    np.testing.assert_allclose(read[:, 0], images / 255, atol=1e-7)
    with pytest.raises(ValueError, match="divide by 255"):
        open_images(images.astype(float), format=fitted)


def test_scans_go_in_chunks(monkeypatch):
    """A scan sees every image although no chunk holds more than the limit."""
    monkeypatch.setattr(_values, "CHUNK_BYTES", 3 * 32 * 8)
    images = np.random.default_rng(0).random((10, 4, 8))
    lengths = [len(chunk) for chunk in _values.iterate_chunks(images)]
    assert lengths == [3, 3, 3, 1]
    fitted = open_images(images, reading=DATA).format
    assert fitted.pixel_range == (images.min(), images.max())


def test_bytes_are_not_scanned(monkeypatch):
    """8-bit arrays are accepted by their type, without reading them."""
    monkeypatch.setattr(_format, "_extremes", None)
    assert len(open_images(pixels(2, 4, 8))) == 2


def test_a_part_has_images_in_any_order():
    """Its first and last index may be as far apart as those of consecutive images."""
    source = open_images(pixels(9, 6, 7))
    for positions in ([3, 4, 5], [0, 5, 2], [4, 3, 2], [6]):
        part = source.part(np.array(positions))
        found = part.read(range(len(part)), (6, 7))
        np.testing.assert_array_equal(found, source.read(positions, (6, 7)))
